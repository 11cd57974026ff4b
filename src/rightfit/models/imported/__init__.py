"""Models that somebody has already: what their files declare, and how to answer with them."""
