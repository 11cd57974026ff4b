"""Records of winners after the choice: baselines, watches, loads."""
