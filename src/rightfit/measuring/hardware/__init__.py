"""The machine: its fingerprint, and the ladder of hardware tiers."""
