"""How SQLite's library is set, seen in processes of their own."""

import subprocess
import sys

import pytest

READ = """
import ctypes, importlib.util
database = sqlite3.connect(":memory:")
database.execute("CREATE TABLE words (word TEXT)")
database.execute("INSERT INTO words VALUES (hex(randomblob(100000)))")
assert database.execute("SELECT length(word) FROM words").fetchone() == (200000,)
library = ctypes.CDLL(importlib.util.find_spec("_sqlite3").origin)
library.sqlite3_memory_used.restype = ctypes.c_int64
print(library.sqlite3_memory_used())
"""


def memory_counted(first: str, second: str) -> int:
    program = f"import {first}\nimport {second}\nimport sqlite3\n{READ}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="left as it is elsewhere")
def test_sqlite_does_not_count_the_memory_it_has() -> None:
    assert memory_counted("hub.storage", "sqlite3") == 0


def test_a_library_that_is_loaded_already_is_left_as_it_is() -> None:
    assert memory_counted("sqlite3", "hub.storage") > 0
