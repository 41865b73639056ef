"""How the interpreter is set in a process that serves for long."""

from __future__ import annotations

import gc
import sys

SWITCH_SECONDS = 0.0005
"""How long a thread may keep the interpreter from another. A commit gives it up at each statement,
and with the usual 5 ms waits that long to get it back from a busy event loop."""
_YOUNG, _SURVIVED = 10_000, 10
"""Objects made and not freed between two looks for cycles, usually 700, and looks between two at
those that survived. Messages in hand are a few thousand objects, which are freed without a look."""


def share_threads() -> None:
    """Let threads take turns soon enough for work that is committed beside an event loop."""
    sys.setswitchinterval(SWITCH_SECONDS)


def settle() -> None:
    """Call when the process has loaded and started all it will keep: none of that is looked
    at for cycles again, and what is young less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _SURVIVED, _SURVIVED)
