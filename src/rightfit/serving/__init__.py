"""Use a ranking: answer which model fits, and export it."""
