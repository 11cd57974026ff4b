"""Families of models that are trained: of this library, and of others."""
