"""Several searches or refits at once: their processes, and the cores they share."""
