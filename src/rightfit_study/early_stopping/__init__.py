"""Early stopping (RQ2): record unstopped trainings, replay every stopping rule on them."""
