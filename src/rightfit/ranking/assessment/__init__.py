"""The candidates as one application sees them, and their order."""
