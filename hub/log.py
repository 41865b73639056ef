"""Structured logs on stderr with an allow-list of keys, so that no patient or pay value gets in."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

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
        "url_path",
        "method",
        "status",
        "peer",
        "warnings",
        "version",
        "error_type",
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


def configure(level: str = "info") -> None:
    """Set up logging for a process. Foreign loggers speak from warning upwards only, without
    their messages' values: several of them log whole requests or exceptions."""
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format="%(name)s %(levelname)s")
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
