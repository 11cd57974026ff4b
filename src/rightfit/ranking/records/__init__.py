"""Records of winners after the choice: baselines, loads."""
