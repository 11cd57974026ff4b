"""A search's progress bar."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def show_progress(title: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show a bar while a search runs; without a terminal it stays silent.

    Yields:
        A function to call with the finished trials and the number at which the search ends, or
        ``None`` if it ends otherwise.
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
        task = progress.add_task(title, total=None)
        yield lambda n_done, n_all: progress.update(task, completed=n_done, total=n_all)
