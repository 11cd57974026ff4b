"""Why each candidate has its place, in tables and sentences."""
