"""The progress bars of searches."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def show_progress() -> Iterator[Callable[[str, int, int | None], None]]:
    """Show a bar for each search while the block runs; without a terminal they stay silent.

    Yields:
        A function to call with a search's name, its finished trials and the number at which it
        ends, or ``None`` if it ends otherwise.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("trials"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bars = {}

        def on_trial(name: str, n_done: int, n_all: int | None) -> None:
            if name not in bars:
                bars[name] = progress.add_task(name, total=None)
            progress.update(bars[name], completed=n_done, total=n_all)

        yield on_trial
