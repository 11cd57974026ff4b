"""Searching from Python: a function and scikit-learn estimators."""
