"""Lets a worker end that is told to stop before it has handlers of its own.

Forked with those of the server, it would take the signal for one to the server, and forget it: the service would stop
30 s later.
"""

from __future__ import annotations

import os
import signal
from functools import partial

STOPS = {signal.SIGTERM, signal.SIGQUIT}


def end_newborns_when_told() -> None:
    """From now on each process that is forked has no handlers for `STOPS`, and none of these comes before that."""
    os.register_at_fork(
        before=partial(signal.pthread_sigmask, signal.SIG_BLOCK, STOPS),
        after_in_parent=partial(signal.pthread_sigmask, signal.SIG_UNBLOCK, STOPS),
        after_in_child=_forget_handlers,
    )


def _forget_handlers() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGQUIT, lambda *_: os._exit(0))  # what it does by default leaves a core behind
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
