"""Write the JSON Schema of the parameters, for completion in an editor."""

from __future__ import annotations

from pathlib import Path

import click

from rightfit_kedro.json_schema import write_schema

SECTION = "Run"


@click.command()
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
def schema(file: Path | None) -> None:
    """Write the JSON Schema of the parameters, for completion in an editor.

    FILE is conf/rightfit.schema.json in a project; without it the schema is printed. A file of
    parameters names it in its first line: # yaml-language-server: $schema=../rightfit.schema.json
    """
    text = write_schema()
    if file is None:
        click.echo(text, nl=False)
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as err:
        raise click.ClickException(f"cannot write {file}: {err.strerror}") from err
    click.echo(f"wrote    {file}")
