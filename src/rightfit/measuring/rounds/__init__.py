"""Drive measured processes: rounds, timing windows, turns, and when a measurement is over."""
