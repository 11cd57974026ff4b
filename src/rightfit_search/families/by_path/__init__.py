"""Families of whatever the configuration names: an estimator or a torch module by import path."""
