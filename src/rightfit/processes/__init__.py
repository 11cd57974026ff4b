"""Processes that Rightfit starts: what ties them to it, and what ends them."""
