"""Stand-ins named by import path or put in place of a part: they behave as a test needs."""
