"""Tables: what they hold is inferred, described, checked, split and encoded."""
