"""Use a ranking's answer: say which model fits, and hand it over in a folder of its own."""
