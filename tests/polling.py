"""What a test waits for that happens in other threads and processes, and their ports."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def wait_until(done: Callable[[], Found], seconds: float = 120.0) -> Found:
    """Ask until the answer is true, and give it. The bound only keeps a failure from hanging."""
    deadline = time.monotonic() + seconds
    while not (found := done()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return found


PORTS = range(20_000, 32_000)
"""Below those that Linux gives to outgoing connections: a port of theirs may be taken by one before
the process meant for it has started."""


def free_port(count: int = 1) -> int:
    """The first of `count` neighbouring ports of this machine that nothing has a moment ago."""
    while True:
        first = secrets.choice(PORTS)
        if all(_is_free(port) for port in range(first, first + count)):
            return first


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def answers(port: int) -> bool:
    """Whether something listens on that port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
