"""Lay the schema of the parameters into the new project, for editors."""

from pathlib import Path

from rightfit_kedro.json_schema import FILE, write_schema

(Path("conf") / FILE).write_text(write_schema(), encoding="utf-8")
