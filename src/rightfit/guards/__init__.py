"""What keeps a run from failing late or without a clear word: places, output and errors."""
