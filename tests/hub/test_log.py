"""What other libraries and dying threads write to the log holds no values."""

from __future__ import annotations

import ast
import asyncio
import gc
import io
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path

import structlog

from hub import log

VALUE = "Doe^Jane"


@contextmanager
def process() -> Iterator[io.StringIO]:
    """Logging as in a process of the hub, and what it writes to stderr."""
    root, written = logging.getLogger(), io.StringIO()
    before = root.handlers[:], root.level, threading.excepthook, logging.raiseExceptions
    root.handlers = []
    with redirect_stderr(written):
        log.configure("debug")
        yield written
    root.handlers, root.level, threading.excepthook, logging.raiseExceptions = before
    structlog.reset_defaults()


def fail() -> None:
    raise ValueError(f"cannot read {VALUE}")


def test_an_exception_that_a_foreign_logger_reports_is_named_without_its_text():
    with process() as written:
        try:
            fail()
        except ValueError:
            logging.getLogger("somelib").exception("while reading %s", VALUE)
    assert "somelib ERROR ValueError at " in written.getvalue()
    assert VALUE not in written.getvalue()


def test_a_task_that_fails_unseen_says_no_values():
    async def main() -> None:
        async def task() -> None:
            fail()

        started = {asyncio.get_running_loop().create_task(task())}
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        started.clear()
        gc.collect()

    with process() as written:
        asyncio.run(main())
    assert "asyncio ERROR ValueError" in written.getvalue()
    assert VALUE not in written.getvalue()


def test_a_thread_that_dies_is_named_without_the_text_of_its_exception():
    with process() as written:
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
    assert '"thread ended"' in written.getvalue()
    assert '"ValueError"' in written.getvalue()
    assert VALUE not in written.getvalue()


def test_keys_that_are_not_listed_are_dropped_and_counted():
    with process() as written:
        log.get("test").error("odd", patient=VALUE, code="X")
    assert "1 unlisted keys dropped" in written.getvalue()
    assert VALUE not in written.getvalue()


def test_every_key_that_is_logged_is_listed() -> None:
    root = Path(__file__).parents[2]
    unlisted = [
        f"{file.relative_to(root)}:{call.lineno} {key.arg}"
        for folder in ("hub", "connectors", "schema", "jobs")
        for file in (root / folder).rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id in {"log", "logger", "_log", "_logger"}
        and call.func.attr in {"debug", "info", "warning", "error", "critical", "exception"}
        for key in call.keywords
        if key.arg not in log.ALLOWED_KEYS
    ]
    assert unlisted == []
