"""What steers a running search: the next configuration, when to stop, what to keep."""
