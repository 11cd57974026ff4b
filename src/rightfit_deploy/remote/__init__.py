"""Hand candidates to another machine, measure them there, and take the figures in."""
