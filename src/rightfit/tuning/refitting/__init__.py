"""Refits: chosen models trained again on more rows, and compared."""
