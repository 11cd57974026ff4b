"""Changes of the winner: by weights, limits, and the number of predictions."""
