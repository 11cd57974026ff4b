"""What would change the winner: weights, limits, and the number of predictions."""
