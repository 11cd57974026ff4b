"""The way from a request of raw columns to the answer: feeding, encoding, and the one graph."""
