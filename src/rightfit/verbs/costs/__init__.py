"""The verbs that measure models, compare what was measured, and size by it."""
