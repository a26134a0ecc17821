"""What a command prints."""

from __future__ import annotations

import os
import sys


def show(text: str) -> None:
    """Print, also where nobody reads on, as ``head`` and ``grep -q`` do not: the exit code says the rest."""
    try:
        print(text, flush=True)  # noqa: T201
    except BrokenPipeError:
        # Else Python tries once more at its end, and complains.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
