"""Drive measured processes: rounds, slices, blocks, and when a measurement is over."""
