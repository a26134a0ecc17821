"""What the tests share that start processes."""

from __future__ import annotations

import signal


def heed_ctrl_c() -> None:
    """As ``preexec_fn``: undo what a shell does for all that it runs in the background, to let it ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
