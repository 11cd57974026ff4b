"""Verbs that read or run a project."""

NEEDS = ("kedro",)
