"""Linear models that are fitted exactly, for the family ``linear``."""
