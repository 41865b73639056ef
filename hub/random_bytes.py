"""Random bytes for many small uses: nonces, ids. Drawn from the operating system a few thousand at
once, because asking it gives up the interpreter's lock, and a busy process waits long to get it
back. Keys are drawn by themselves, with `os.urandom`.
"""

from __future__ import annotations

import os
import threading

_AT_ONCE = 4096


class _Drawn(threading.local):
    """What is left of this thread's draw."""

    data = b""
    at = 0


_drawn = _Drawn()


def random_bytes(count: int) -> bytes:
    """`count` bytes that no other caller gets, in no other thread or process either."""
    drawn = _drawn
    start = drawn.at
    end = start + count
    if end > len(drawn.data):
        drawn.data = os.urandom(max(_AT_ONCE, count))
        start, end = 0, count
    drawn.at = end
    return drawn.data[start:end]


def _forget() -> None:
    """A forked process must not use what its parent will use too."""
    global _drawn
    _drawn = _Drawn()


os.register_at_fork(after_in_child=_forget)
