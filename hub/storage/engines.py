"""The engines of a database: how its connections are opened and kept."""

from __future__ import annotations

import select
from typing import Any

import orjson
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DisconnectionError

from hub.storage.driver_errors import driver_errors
from hub.storage.inserting import insert_as_json
from hub.storage.postgresql import NETWORK, options
from hub.storage.running import STATEMENT_SECONDS

WORK_SECONDS = 30.0
"""How long one statement may take that no request waits for."""
WAL_PAGES = 8_000
"""Pages of the write-ahead log (4 KiB each) at which a commit copies them into the database, where
no copy between commits did (checkpoints.py). Decision 53: no other connection may."""
CACHE_KIB = 64 * 1024


def _to_json(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()


_JSON: dict[str, Any] = {"json_serializer": _to_json, "json_deserializer": orjson.loads}


def sqlite_engine(url: str, *, writer: bool) -> Engine:
    """WAL with FULL sync (NORMAL loses acknowledged rows on a power cut); only the writer
    checkpoints."""
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": 30}, **_JSON)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        if writer:
            cursor.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES}")
            cursor.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        else:
            cursor.execute("PRAGMA wal_autocheckpoint=0")
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        with driver_errors(connection):
            driver.execute("BEGIN IMMEDIATE" if writer else "BEGIN")

    return engine


def postgresql_engine(url: str, *, requests: bool = False) -> Engine:
    """What a request reads is read-only and ends sooner."""
    seconds = STATEMENT_SECONDS if requests else WORK_SECONDS
    engine = create_engine(
        url,
        hide_parameters=True,
        **_JSON,
        pool_size=12,
        max_overflow=12,
        pool_use_lifo=True,  # one that just worked has its statements prepared
        connect_args={"options": options(seconds, reads_only=requests), **NETWORK},
    )
    event.listen(engine, "checkout", _refuse_closed)
    insert_as_json(engine)
    return engine


def close_engine(engine: Engine) -> None:
    """Close every connection of an engine for good, one that is in use as soon as it is given
    back: a pool that is disposed of would keep that one open until it is collected."""
    event.listen(engine, "checkin", lambda _, record: record.close())
    engine.dispose()


def _refuse_closed(driver: Any, *_: object) -> None:
    """The server said something to an idle connection: good-bye. Cheaper than asking each time."""
    idle = select.poll()
    idle.register(driver.pgconn.socket, select.POLLIN)
    if idle.poll(0):
        raise DisconnectionError
