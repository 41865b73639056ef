"""Processes of the campaign: the forkserver that starts the hub's, and signals to them."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LONGEST = 90.0
PR_SET_PDEATHSIG = 1


class TooLong(Exception):
    """What was waited for did not happen."""


def ends_with_us(how: signal.Signals = signal.SIGKILL) -> Callable[[], object]:
    """For `preexec_fn`: a process that is sent this signal when the campaign ends, however it
    does."""
    library = ctypes.CDLL(None)
    return lambda: library.prctl(PR_SET_PDEATHSIG, how)


def wait_until(done: Callable[[], bool], what: str, seconds: float = LONGEST) -> float:
    """Wait until `done`; returns how many seconds it took. Raises TooLong naming `what`."""
    began = time.monotonic()
    while not done():
        if time.monotonic() - began > seconds:
            raise TooLong(f"{what} did not happen within {seconds:.0f} s")
        time.sleep(0.02)
    return time.monotonic() - began


class Forkserver:
    """One process that has imported the hub and starts all others; with the library of the shim
    loaded, if there is one."""

    def __init__(self, library: Path | None) -> None:
        clean = {key: value for key, value in os.environ.items() if not key.startswith("HUB_")}
        one_thread = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        preload = {"LD_PRELOAD": str(library)} if library else {}
        paths = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE)])}
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "forkserver.py")],
            env={**clean, **one_thread, **paths, **preload},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        threads = self._answer()["ready"]
        if threads != 1:
            raise RuntimeError(f"importing the hub started {threads - 1} threads; it cannot fork")

    def start(
        self,
        arguments: Sequence[object],
        environment: Mapping[str, str],
        log: Path,
        changes: Sequence[str] = (),
        call: tuple[str, str] | None = None,
    ) -> int:
        """The id of a new process of `mso-hub` with these arguments, or of one that calls a
        function (module and name) with them."""
        request: dict[str, Any] = {
            "arguments": list(arguments),
            "environment": dict(environment),
            "changes": list(changes),
            "log": str(log),
        }
        if call is not None:
            request["call"] = call
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return int(self._answer()["started"])

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the forkserver ended; its words are above")
        found: dict[str, Any] = json.loads(line)
        return found

    def close(self) -> None:
        """End it, and with it every process it started."""
        self._process.kill()
        self._process.wait()


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def end(process: int, how: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal and wait until the process is gone."""
    try:
        os.kill(process, how)
    except ProcessLookupError:
        return
    wait_until(lambda: not is_alive(process), f"the end of process {process}")
