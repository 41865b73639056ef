"""Structured logs on stderr with an allow-list of keys, so that no patient or pay value gets in."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
import uuid
from collections.abc import MutableMapping
from importlib import import_module
from types import ModuleType
from typing import Any


def _without(name: str) -> ModuleType:
    """structlog, which loads `name` for the sake of its console wherever that is installed: three
    megabytes that lines of JSON never need. Whoever needs it later loads it as usual."""
    if name in sys.modules or "structlog" in sys.modules:
        return import_module("structlog")
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        return import_module("structlog")
    finally:
        del sys.modules[name]


structlog: Any = _without("rich")

ALLOWED_KEYS = frozenset(
    [
        "event",
        "level",
        "timestamp",
        "source",
        "error_id",
        "code",
        "reason",
        "path",
        "inbox_id",
        "job_id",
        "job",
        "kind",
        "queue",
        "attempt",
        "connection_id",
        "connector",
        "document_id",
        "principal_id",
        "stream",
        "practice_id",
        "round_id",
        "order_id",
        "count",
        "pages",
        "seconds",
        "state",
        "role",
        "host",
        "port",
        "mllp_port",
        "url_path",
        "method",
        "status",
        "peer",
        "warnings",
        "version",
        "error_type",
        "signal",
        "database",
    ]
)


def _only_allowed_keys(
    _: object, __: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    dropped = [key for key in event if key not in ALLOWED_KEYS]
    for key in dropped:
        del event[key]
    if dropped:
        event["warnings"] = f"{len(dropped)} unlisted keys dropped"
    return event


class _WithoutValues(logging.Formatter):
    """Lines of foreign loggers: who, how grave, which type of exception and where it was raised.
    Messages and exception texts are left out, because they quote what was being worked on."""

    def format(self, record: logging.LogRecord) -> str:
        line = f"{record.name} {record.levelname}"
        error = record.exc_info[1] if record.exc_info else None
        return line if error is None else f"{line} {type(error).__name__} at {place(error)}"


def place(error: BaseException) -> str:
    """Where an exception was raised; its text may quote what was being worked on."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "an unknown place"


def unexpected(logger: Any, error: BaseException, *, url_path: str = "") -> str:
    """Log that a request failed for a reason nobody expected, without values; the id under which it
    is found, for whoever asked. `url_path` is the route's, where one is known."""
    error_id = uuid.uuid4().hex
    logger.error(
        "request failed",
        error_id=error_id,
        code="INTERNAL",
        error_type=type(error).__name__,
        path=place(error),
        url_path=url_path,
    )
    return error_id


def _thread_ended(ended: threading.ExceptHookArgs) -> None:
    """Instead of the interpreter's traceback, which ends with the exception's text."""
    if ended.exc_value is not None and not isinstance(ended.exc_value, SystemExit):
        get(__name__).error(
            "thread ended",
            error_type=type(ended.exc_value).__name__,
            path=place(ended.exc_value),
        )


def configure(level: str = "info") -> None:
    """Set up logging for a process. Foreign loggers speak of errors only, without their messages'
    values: several of them log whole requests or exceptions."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_WithoutValues())
    logging.basicConfig(level=logging.ERROR, handlers=[handler])
    logging.raiseExceptions = False  # else a failing handler quotes the line's arguments
    threading.excepthook = _thread_ended
    for name in (
        "httpx2",
        "httpcore2",
        "dramatiq",
        "strawberry",
        "uvicorn",
        "sqlalchemy",
        "hl7apy",
    ):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _only_allowed_keys,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def get(name: str) -> Any:
    """A logger whose lines name the module they come from."""
    return structlog.get_logger(source=name)
