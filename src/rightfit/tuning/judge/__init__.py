"""Whether a trial may still win: projection of qualities and costs, and stopping rules."""
