"""The experiment on early stopping (RQ2): recordings, replays, policies, savings."""
