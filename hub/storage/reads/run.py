"""Runs parts against the database: one statement per level, whatever the number of rows.

`Reader` is made for one request. It writes JSON-ready objects keyed by response key, checks that
every row it got belongs to a practice in scope, and keeps count of what was read for the audit
trail.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select

from hub.domain.agreements import DataClass
from hub.errors import HubError, NotFound
from hub.storage.reads import select as sql
from hub.storage.reads.parts import (
    INHERITED,
    SENSITIVE,
    Access,
    ById,
    Computed,
    Constant,
    Cursor,
    Edges,
    GlobalId,
    Leaf,
    Many,
    Nodes,
    Objects,
    One,
    Page,
    PageInfo,
    Root,
    RootPage,
    Source,
    Total,
)
from hub.storage.reads.write import WRITERS, global_id
from hub.storage.session import ScopedSession

Json = dict[str, Any]
Parent = tuple[str | None, Any]


class OutOfScope(HubError):
    """A statement returned a row outside the scope: a fault of the hub; nothing is released."""


@dataclass(slots=True)
class Reading:
    """What a request read of sensitive classes: rows per type, practices, patients (practice,
    id)."""

    entities: Counter[str] = field(default_factory=Counter)
    practice_ids: set[str] = field(default_factory=set)
    subjects: set[tuple[str, str]] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.entities)


@dataclass(frozen=True, slots=True)
class Rows:
    """Fetched rows; `subjects` are the patients they are about where that comes from above."""

    source: Source
    names: Mapping[str, int]
    values: Sequence[Any]
    subjects: Sequence[str | None]

    def column(self, name: str) -> list[Any]:
        index = self.names[name]
        return [row[index] for row in self.values]

    def practices(self) -> list[str | None]:
        if "practice_id" in self.names:
            return self.column("practice_id")
        if self.source.access is Access.PRACTICES:
            return self.column("id")
        return [None] * len(self.values)

    def pick(self, positions: Sequence[int]) -> Rows:
        return Rows(
            self.source,
            self.names,
            [self.values[i] for i in positions],
            [self.subjects[i] for i in positions],
        )


class Reader:
    """Runs the parts of one request in one read session."""

    def __init__(self, session: ScopedSession, now: datetime) -> None:
        self._session = session
        self._scope = session.scope
        self._now = now
        self.reading = Reading()

    def root(self, part: Root) -> Any:
        """The JSON value of one root field."""
        if isinstance(part, Constant):
            return part.value
        if isinstance(part, RootPage):
            return self._pages(part.page, None, None)[0]
        if isinstance(part, ById):
            return self._rows_by_id(part.objects, [part.id]).get(part.id)
        found = {
            name: self._rows_by_id(objects, [i for n, i in filter(None, part.wanted) if n == name])
            for name, objects in part.objects.items()
        }
        return [found[w[0]].get(w[1]) if w and w[0] in found else None for w in part.wanted]

    # Rows by id

    def _rows_by_id(self, objects: Objects, ids: Sequence[str]) -> dict[str, Json]:
        keys = {}
        for text in dict.fromkeys(ids):
            try:
                keys[sql.key_value(objects.source, text)] = text
            except NotFound:
                continue
        if not keys:
            return {}
        names = sql.needed_columns(objects.source, [objects])
        rows = self._fetch(
            objects.source, names, sql.by_ids(objects.source, self._scope, names, list(keys))
        )
        written = self._objects(objects, rows)
        return {keys[key]: row for key, row in zip(rows.column("id"), written, strict=True)}

    def _one(self, link: One, rows: Rows) -> list[Json | None]:
        source = link.objects.source
        practices = rows.practices() if source.owned else [None] * len(rows.values)
        wanted = list(zip(practices, rows.column(link.column), strict=True))
        present = {key for key in wanted if key[1] is not None}
        if not present:
            return [None] * len(wanted)
        names = sql.needed_columns(source, [link.objects])
        targets = self._fetch(
            source, names, sql.by_ids(source, self._scope, names, [key for _, key in present])
        )
        owners = targets.practices() if source.owned else [None] * len(targets.values)
        keys = list(zip(owners, targets.column("id"), strict=True))
        joins = [i for i, key in enumerate(keys) if self._joins(key, present)]
        written = self._objects(link.objects, targets.pick(joins))
        found: dict[Any, Json] = {}
        for i, value in zip(joins, written, strict=True):
            found[keys[i]] = found[(None, keys[i][1])] = value
        return [found.get(key) for key in wanted]

    @staticmethod
    def _joins(key: Parent, present: set[Parent]) -> bool:
        return key in present or (None, key[1]) in present

    # Pages

    def _pages(self, page: Page, link: Many | None, above: Rows | None) -> list[Json]:
        """One connection per row of `above`, or the one of a root field."""
        parents: list[Parent] = [(None, None)]
        if link is not None and above is not None:
            parents = _parents(page, link, above)
        partition = _partition(page, link, parents)
        clause = (
            None
            if link is None
            else sql.children_of(page.source, link.remote, dict.fromkeys(parents))
        )
        rows, groups = self._page_rows(page, link, parents, clause, partition, above)
        totals = self._totals(page, link, parents, clause, partition)
        connections: list[Json] = [{} for _ in parents]
        for output in page.outputs:
            if isinstance(output, Constant):
                _set(connections, output.key, [output.value] * len(parents))
            elif isinstance(output, Total):
                _set(connections, output.key, [totals.get(p, 0) for p in parents])
            elif isinstance(output, Nodes):
                written = self._objects(output.objects, rows)
                _set(connections, output.key, [[written[i] for i in g.shown] for g in groups])
            elif isinstance(output, Edges):
                edges = self._edges(output, rows)
                _set(connections, output.key, [[edges[i] for i in g.shown] for g in groups])
            else:
                cursors = self._cursors(rows) if page.needs_rows() else []
                _set(connections, output.key, [_page_info(output, g, cursors) for g in groups])
        return connections

    def _page_rows(
        self,
        page: Page,
        link: Many | None,
        parents: list[Parent],
        clause: ColumnElement[bool] | None,
        partition: tuple[str, ...],
        above: Rows | None,
    ) -> tuple[Rows, list[_Group]]:
        names = sql.needed_columns(page.source, page.selections())
        names = tuple(dict.fromkeys((*names, *partition)))
        if not page.needs_rows() or not parents:
            return Rows(page.source, _index(names), [], []), [_Group([], False) for _ in parents]
        if len(parents) == 1 or clause is None:
            position = self._position(page)
            statement = sql.whole_page(page.source, self._scope, page, names, clause, position)
        else:
            statement = sql.pages_per_parent(
                page.source, self._scope, page, names, clause, partition
            )
        rows = self._fetch(page.source, names, statement)
        groups = _group(rows, page, link, parents, partition)
        rows = rows.pick([i for group in groups for i in group.shown])
        groups = _renumber(groups)
        if page.source.subject == INHERITED and above is not None:
            rows = _inherit(rows, groups, above)
        return rows, groups

    def _position(self, page: Page) -> ColumnElement[bool] | None:
        if page.after is None:
            return None
        row_id = sql.key_value(page.source, page.after)
        keys = self._execute(sql.cursor_keys(page.source, self._scope, page, row_id))
        if not keys:
            raise NotFound("There is no such cursor.")
        return sql.row_after(page.source, page.order, tuple(keys[0]))

    def _totals(
        self,
        page: Page,
        link: Many | None,
        parents: list[Parent],
        clause: ColumnElement[bool] | None,
        partition: tuple[str, ...],
    ) -> dict[Parent, int]:
        if not parents or not any(isinstance(output, Total) for output in page.outputs):
            return {}
        counted = self._execute(sql.totals(page.source, self._scope, page, clause, partition))
        found = {_parent_key(row[:-1], partition, link): int(row[-1]) for row in counted}
        if page.classes & SENSITIVE:
            self.reading.entities[page.source.type_name] += sum(found.values())
        return found

    def _edges(self, edges: Edges, rows: Rows) -> list[Json]:
        written: list[Json] = [{} for _ in rows.values]
        for item in edges.items:
            if isinstance(item, Cursor):
                _set(written, item.key, self._cursors(rows))
            elif isinstance(item, Nodes):
                _set(written, item.key, self._objects(item.objects, rows))
            else:
                _set(written, item.key, [item.value] * len(written))
        return written

    @staticmethod
    def _cursors(rows: Rows) -> list[str]:
        return [str(key) for key in rows.column("id")]

    # Objects

    def _objects(self, objects: Objects, rows: Rows) -> list[Json]:
        """The rows written as the selection wants them."""
        self._note(objects, rows)
        hidden = self._hidden(objects.source, rows)
        written: list[Json] = [{} for _ in rows.values]
        for output in objects.outputs:
            if isinstance(output, Leaf):
                values = _leaves(output, rows)
                _set(written, output.key, _masked(values, hidden if output.identifier else None))
            elif isinstance(output, GlobalId):
                name = objects.source.type_name
                _set(written, output.key, [global_id(name, i) for i in rows.column("id")])
            elif isinstance(output, One):
                _set(written, output.key, self._one(output, rows))
            elif isinstance(output, Many):
                _set(written, output.key, self._pages(output.page, output, rows))
            elif isinstance(output, Computed):
                values = self._computed(output, rows)
                _set(written, output.key, _masked(values, hidden if output.identifier else None))
            else:
                _set(written, output.key, [output.value] * len(written))
        return written

    def _computed(self, output: Computed, rows: Rows) -> list[Any]:
        columns = [rows.column(name) for name in output.needs]
        mappings = [
            dict(zip(output.needs, values, strict=True)) for values in zip(*columns, strict=True)
        ]
        return list(output.compute(mappings, self._now))

    def _hidden(self, source: Source, rows: Rows) -> list[bool] | None:
        """Which rows may be read without direct identifiers only."""
        limited = self._scope.limited.get(source.domain) if source.domain else None
        if not limited:
            return None
        return [practice in limited for practice in rows.practices()]

    def _note(self, objects: Objects, rows: Rows) -> None:
        if not objects.classes & SENSITIVE:
            return
        source, reading = objects.source, self.reading
        practices = rows.practices()
        reading.entities[source.type_name] += len(rows.values)
        reading.practice_ids.update(p for p in practices if p is not None)
        if source.subject is None or not objects.classes & {
            DataClass.PHI,
            DataClass.PHI_SENSITIVE,
        }:
            return
        subjects = rows.subjects if source.subject == INHERITED else rows.column(source.subject)
        for practice, subject in zip(practices, subjects, strict=True):
            if practice is not None and subject is not None:
                reading.subjects.add((practice, subject))

    # Statements

    def _fetch(self, source: Source, names: Sequence[str], statement: Select[Any]) -> Rows:
        values = self._execute(statement)
        rows = Rows(source, _index(names), values, [None] * len(values))
        self._check(source, rows)
        return rows

    def _check(self, source: Source, rows: Rows) -> None:
        """The second check: whatever the statement said, no row of another practice leaves."""
        if self._scope.unrestricted or source.access in (Access.CATALOGUE, Access.MSO):
            return
        if source.access is Access.OPERATED:
            own = self._scope.own_practice_id
            foreign = not self._scope.is_mso and any(p != own for p in rows.practices())
        else:
            foreign = not set(rows.practices()) <= sql.practice_ids(
                source, self._scope, full_rows=False
            )
        if foreign:
            raise OutOfScope("A read returned rows outside its scope.")

    def _execute(self, statement: Select[Any]) -> Sequence[Any]:
        return self._session.connection().execute(statement).all()


@dataclass(frozen=True, slots=True)
class _Group:
    """The rows of one parent: positions shown, and whether there are more."""

    shown: list[int]
    more: bool


def _parents(page: Page, link: Many, above: Rows) -> list[Parent]:
    scoped = page.source.owned and link.remote != "practice_id" and "practice_id" in above.names
    practices: Iterable[str | None] = above.practices() if scoped else [None] * len(above.values)
    return list(zip(practices, above.column("id"), strict=True))


def _partition(page: Page, link: Many | None, parents: list[Parent]) -> tuple[str, ...]:
    if link is None:
        return ()
    if parents and parents[0][0] is not None:
        return ("practice_id", link.remote)
    return (link.remote,)


def _parent_key(values: Sequence[Any], partition: tuple[str, ...], link: Many | None) -> Parent:
    if link is None:
        return (None, None)
    return (values[0], values[1]) if len(partition) == 2 else (None, values[0])


def _group(
    rows: Rows, page: Page, link: Many | None, parents: list[Parent], partition: tuple[str, ...]
) -> list[_Group]:
    """Hands rows to their parents and cuts each page to its size."""
    positions: dict[Parent, list[int]] = defaultdict(list)
    columns = [rows.column(name) for name in partition]
    for i in range(len(rows.values)):
        positions[_parent_key([c[i] for c in columns], partition, link)].append(i)
    return [
        _Group(found[: page.first], len(found) > page.first)
        for found in (positions.get(parent, []) for parent in parents)
    ]


def _renumber(groups: list[_Group]) -> list[_Group]:
    renumbered, start = [], 0
    for group in groups:
        end = start + len(group.shown)
        renumbered.append(_Group(list(range(start, end)), group.more))
        start = end
    return renumbered


def _inherit(rows: Rows, groups: list[_Group], above: Rows) -> Rows:
    subject = above.source.subject
    known = above.subjects if subject in (None, INHERITED) else above.column(str(subject))
    subjects: list[str | None] = [None] * len(rows.values)
    for group, about in zip(groups, known, strict=True):
        for i in group.shown:
            subjects[i] = about
    return Rows(rows.source, rows.names, rows.values, subjects)


def _leaves(leaf: Leaf, rows: Rows) -> list[Any]:
    writer = WRITERS[leaf.shape]
    values = rows.column(leaf.column)
    if writer is None:
        return values
    return [None if value is None else writer(value) for value in values]


def _masked(values: list[Any], hidden: list[bool] | None) -> list[Any]:
    if hidden is None:
        return values
    return [None if hide else value for hide, value in zip(hidden, values, strict=True)]


def _page_info(info: PageInfo, group: _Group, cursors: Sequence[str]) -> Json:
    facts = {
        "hasNextPage": group.more,
        "hasPreviousPage": False,
        "startCursor": cursors[group.shown[0]] if group.shown else None,
        "endCursor": cursors[group.shown[-1]] if group.shown else None,
    }
    return {
        item.key if isinstance(item, Constant) else item[0]: (
            item.value if isinstance(item, Constant) else facts[item[1]]
        )
        for item in info.items
    }


def _index(names: Sequence[str]) -> dict[str, int]:
    return {name: i for i, name in enumerate(names)}


def _set(objects: Sequence[Json], key: str, values: Iterable[Any]) -> None:
    for written, value in zip(objects, values, strict=True):
        written[key] = value
