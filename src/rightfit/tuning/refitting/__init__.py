"""Refits: chosen models trained again on more rows, several at once, and compared."""
