"""By which index each table of a compiled part is read, as the database would do it.

PostgreSQL is asked with sequential scans switched off, so that the answer tells whether an index
serves, however few rows there are now. SQLite plans without looking at their number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import RawCursor
from sqlalchemy import func, select

from hub.storage.reads.compile import CompiledPart, explained
from hub.storage.session import ScopedSession
from hub.storage.tables import Base, PolicyVersion

POLICY = PolicyVersion.__tablename__  # beside every part, and of no document
_ALIASED = re.compile(r'"(\w+)" AS (t\d+)\b')
_STEP = re.compile(r"^(SCAN|SEARCH) (t\d+)(?: USING (AUTOMATIC )?.*?INDEX (\w+)?)?")


@dataclass(frozen=True, slots=True)
class TableAccess:
    """How one mention of a table is read. `index` is None if none is used; `scanned`: every row of
    the table is looked at."""

    table: str
    index: str | None
    scanned: bool


def explain(
    session: ScopedSession, compiled: CompiledPart, parameters: Sequence[Any]
) -> list[TableAccess]:
    """The accesses of a statement, without running it; `parameters` are those it would run with."""
    driver: Any = session.connection().connection.driver_connection
    if session.get_bind().dialect.name == "sqlite":
        part = explained(compiled, "EXPLAIN QUERY PLAN ")
        steps = driver.execute(part.sql, parameters).fetchall()
        return list(_of_sqlite(part, [str(step[-1]) for step in steps]))
    session.scalar(select(func.set_config("enable_seqscan", "off", True)))
    part = explained(compiled, "EXPLAIN (FORMAT JSON) ")
    row = RawCursor(driver).execute(part.sql.encode(), parameters).fetchone()
    return [] if row is None else list(_of_postgresql(row[0][0]["Plan"]))


def _of_sqlite(part: CompiledPart, steps: Sequence[str]) -> Iterator[TableAccess]:
    tables = {alias: name for name, alias in _ALIASED.findall(part.sql)}
    for step in steps:
        found = _STEP.match(step)
        if found is not None and tables.get(found[2]) in Base.metadata.tables:
            scanned = found[1] == "SCAN" or found[3] is not None
            yield TableAccess(tables[found[2]], found[4], scanned)


def _of_postgresql(node: Mapping[str, Any]) -> Iterator[TableAccess]:
    if node.get("Relation Name", POLICY) != POLICY:
        looks = [node, *_bitmaps(node)]
        index = next((look["Index Name"] for look in looks if "Index Name" in look), None)
        condition = any("Index Cond" in look for look in looks)
        yield TableAccess(node["Relation Name"], index, not condition)
    for each in node.get("Plans", ()):
        yield from _of_postgresql(each)


def _bitmaps(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The looks into indexes that say which rows of a table are read; several of them, where one of
    several conditions must hold."""
    for below in node.get("Plans", ()):
        if "Relation Name" not in below:
            yield below
            yield from _bitmaps(below)
