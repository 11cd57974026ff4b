"""Applications, utilities and rankings."""
