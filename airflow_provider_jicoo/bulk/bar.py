"""A progress bar, where there is a terminal to show it on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_jicoo.bulk.progress import Progress


def on_a_terminal() -> bool:
    """Tell whether somebody looks on."""
    return sys.stderr.isatty()


@contextmanager
def planning() -> Iterator[Callable[[int], None]]:
    """Show how many bookings were read."""
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} bookings read"), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=None)
        yield lambda count: bar.update(task, completed=count)


@contextmanager
def applying() -> Iterator[Callable[[Progress], None]]:
    """Show how far an apply is, and what became of the changes so far."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=None)

        def tell(progress: Progress) -> None:
            counts = ", ".join(f"{count:,} {name}" for name, count in progress.counts.items())
            bar.update(task, total=progress.total, completed=progress.done, description=counts)

        yield tell
