"""From measurements to resource profiles: what to measure, metrics, intervals, rows."""
