"""Drive measured processes: rounds, visits, turns, and when a measurement is over."""
