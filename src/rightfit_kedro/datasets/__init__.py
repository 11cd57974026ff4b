"""Kedro dataset classes of this project."""
