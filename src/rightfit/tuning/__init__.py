"""The search: studies, stopping rules, candidates."""
