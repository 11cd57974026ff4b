"""Candidates judged by an application and put in order."""
