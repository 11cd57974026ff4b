"""From raw tables to validated, encoded model input."""
