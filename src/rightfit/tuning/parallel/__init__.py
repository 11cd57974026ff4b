"""Several searches at once: their processes, the cores they share, and timings taken alone."""
