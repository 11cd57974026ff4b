"""The verb that proposes a dataset's block: all that would be inferred, written out for review."""

from __future__ import annotations

from pathlib import Path

import click
from kedro.framework.context import KedroContext


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
        try:
            block = propose_block(session.load_context(), entry, target=target, name=name or entry)
        except (ValueError, DatasetError) as err:
            raise click.ClickException(str(err)) from err
    click.echo(block, nl=False)


def propose_block(context: KedroContext, entry: str, *, target: str, name: str) -> str:
    """Describe the table of a catalog entry as a block to review.

    Args:
        context: The project's context.
        entry: The entry; without one in the catalog, the table ``01_raw/<entry>.parquet``.
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

    catalog = context.catalog
    if entry not in catalog:
        root = (context.config_loader.runtime_params or {}).get("data_root")
        root = root or context.config_loader["globals"].get("data_root", "data")
        path = root if "://" in root else context.project_path / root
        catalog[entry] = EagerPolarsDataset(
            filepath=f"{path}/01_raw/{entry}.parquet", file_format="parquet"
        )
    frame = read_frame(catalog.load(entry), entry=entry)
    return write_block(name, describe_dataset(frame, entry=entry, target=target))
