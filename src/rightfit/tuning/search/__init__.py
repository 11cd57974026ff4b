"""The search of one cell: budget, trials, training, and sharing among workers."""
