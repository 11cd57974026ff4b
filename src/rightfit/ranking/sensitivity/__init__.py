"""What would change the winner: weights, limits, number of predictions."""
