"""The charts, one idea per module; each function turns tables into one plotly figure."""
