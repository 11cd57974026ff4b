"""Stored searches: the database, and the tables and audits made from it."""
