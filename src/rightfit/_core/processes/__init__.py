"""Processes that Rightfit starts: how they begin, talk, lock files and end."""
