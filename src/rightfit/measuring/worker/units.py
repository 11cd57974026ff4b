"""Units that measured times and sizes are converted between."""

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
MS_PER_S = 1_000
BYTES_PER_MIB = 2**20
