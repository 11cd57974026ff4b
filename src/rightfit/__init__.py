"""Find the model that fits the application: search, measure what serving costs, rank."""

__version__ = "0.1.0"
