"""What is kept about winners after the choice: baselines, watches, loads."""
