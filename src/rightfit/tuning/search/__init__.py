"""The search of one cell by one worker: its steps, and the tables and candidates made of them."""
