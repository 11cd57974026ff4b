"""The verb that proposes a dataset's block: all that would be inferred, written out for review."""

from __future__ import annotations

from pathlib import Path

import click
from kedro.io import DataCatalog


@click.command("describe")
@click.argument("entry")
@click.option("--target", required=True, help="Column to predict.")
@click.option("--name", help="Name of the dataset; that of the entry if not given.")
@click.option("--env", "-e", envvar="KEDRO_ENV", help="Environment of the configuration.")
def describe(entry: str, target: str, name: str | None, env: str | None) -> None:
    """Print a block for parameters_datasets.yml that describes the table of the catalog's ENTRY."""
    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project
    from kedro.io import DatasetError

    bootstrap_project(Path.cwd())
    session = KedroSession.create(Path.cwd(), env=env)
    with session:
        context = session.load_context()
        root = (context.config_loader.runtime_params or {}).get("data_root")
        root = root or context.config_loader["globals"].get("data_root", "data")
        folder = root if "://" in root else str(context.project_path / root)
        try:
            block = propose_block(
                context.catalog, entry, f"{folder}/01_raw", target=target, name=name or entry
            )
        except (ValueError, DatasetError) as err:
            raise click.ClickException(str(err)) from err
    click.echo(block, nl=False)


def propose_block(
    catalog: DataCatalog, entry: str, raw_folder: str, *, target: str, name: str
) -> str:
    """Describe the table of a catalog entry as a block to review.

    Args:
        catalog: The project's catalog.
        entry: The entry.
        raw_folder: Where ``<entry>.parquet`` is looked for if the catalog has no such entry.
        target: The column to predict.
        name: Name of the dataset.

    Returns:
        YAML, to stand below ``datasets:``.

    Raises:
        ValueError: If the entry loads no table, or the target is no column or cannot be predicted.
        DatasetError: If the entry cannot be loaded.
    """
    from kedro_datasets.polars import EagerPolarsDataset

    from rightfit.preparation.frames import read_frame
    from rightfit.preparation.proposal import describe_dataset, write_block

    if entry not in catalog:
        catalog[entry] = EagerPolarsDataset(
            filepath=f"{raw_folder}/{entry}.parquet", file_format="parquet"
        )
    frame = read_frame(catalog.load(entry), entry=entry)
    return write_block(name, describe_dataset(frame, entry=entry, target=target))
