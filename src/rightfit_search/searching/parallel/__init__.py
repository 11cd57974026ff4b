"""Several searches at once: their processes, and the cores they share."""
