"""What every room may use and that knows none: errors, wording, strict models, processes.

All rooms call it, and no user does.
Begin with ``errors`` and ``strict_model``; ``processes`` starts, forks and talks to others.
"""
