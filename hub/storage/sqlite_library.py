"""SQLite's own library, set before Python's module `sqlite3` loads it."""

from __future__ import annotations

import ctypes
import sys
from importlib.util import find_spec

_MEMORY_STATISTICS = 9
"""SQLITE_CONFIG_MEMSTATUS of sqlite3.h."""


def count_no_memory() -> None:
    """Leave out SQLite's count of the memory it has: for each piece it takes or gives back, all
    threads wait at one lock. Where the library is loaded already, or cannot be asked, it goes on
    counting."""
    module = find_spec("_sqlite3")
    # Other systems hand optional arguments over in other ways.
    if sys.platform != "linux" or module is None or module.origin is None:
        return
    try:
        ctypes.CDLL(module.origin).sqlite3_config(_MEMORY_STATISTICS, 0)
    except (OSError, AttributeError):  # built into the interpreter
        return
