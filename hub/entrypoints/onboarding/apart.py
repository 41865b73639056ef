"""Conformance in a process of its own: killed and begun anew when one message takes too long."""

from __future__ import annotations

import multiprocessing
import resource
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Self

from connectors.sdk.hl7v2.conformance import Finding, findings

SECONDS = 10.0
MOST_MEMORY = 2 * 1024 * 1024 * 1024
TOOK_TOO_LONG = Finding("took_too_long")
DIED = Finding("not_readable")
_SMALLEST = b"MSH|^~\\&|A|B|C|D|2026||ADT^A04^ADT_A01|1|P|2.5.1\rEVN||20260302\rPID|1\rPV1|1|O\r"


class Conformance:
    """Answers one message at a time; use as a context manager."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._context = multiprocessing.get_context("spawn")
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def ask(self, content: bytes, version: str = "") -> tuple[Finding, ...]:
        """What a message breaks of the standard; took_too_long after the limit."""
        pipe = self._pipe or self._begin()
        try:
            pipe.send((content, version))
            if pipe.poll(self._seconds):
                answer: tuple[Finding, ...] = pipe.recv()
                return answer
            found = TOOK_TOO_LONG
        except (EOFError, OSError):  # out of memory
            found = DIED
        self._end()
        return (found,)

    def _begin(self) -> Connection:
        ours, theirs = self._context.Pipe()
        self._process = self._context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self._pipe = ours
        ours.poll(60.0)  # it says so when it is ready: starting does not count against a message
        ours.recv()
        return ours

    def _end(self) -> None:
        if self._pipe is not None and self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
        self._process = self._pipe = None


def _serve(pipe: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    findings(_SMALLEST)  # loads hl7apy and its tables
    with suppress(EOFError, OSError):
        pipe.send(())
        while True:
            content, version = pipe.recv()
            pipe.send(findings(content, version))
