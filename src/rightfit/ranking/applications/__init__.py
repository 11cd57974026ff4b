"""Applications: objectives, limits, utility, and the tie rule."""
