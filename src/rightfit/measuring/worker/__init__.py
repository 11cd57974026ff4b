"""What runs inside the measured process; it imports nothing of the packages around it."""
