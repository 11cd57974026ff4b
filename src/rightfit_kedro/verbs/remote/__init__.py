"""Verbs of ``rightfit remote`` that read or change a project."""

NEEDS = ("kedro",)
