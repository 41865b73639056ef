"""Runs parts against the database: one statement per level, whatever the number of rows.

`Reader` is made for one request. It writes JSON-ready objects keyed by response key, checks that
every row it got belongs to a practice in scope, and keeps count of what was read for the audit
trail.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select

from hub.domain.agreements import DataClass
from hub.errors import NotFound
from hub.storage.reads import aggregates
from hub.storage.reads import select as sql
from hub.storage.reads.cursors import cursors_of
from hub.storage.reads.parts import (
    INHERITED,
    SENSITIVE,
    Access,
    Aggregates,
    ById,
    Computed,
    Constant,
    Cursor,
    Edges,
    GlobalId,
    Leaf,
    Live,
    Many,
    Nodes,
    Objects,
    One,
    Own,
    Page,
    Root,
    RootPage,
    Source,
    Total,
)
from hub.storage.reads.reading import OutOfScope, Reading
from hub.storage.reads.rows import (
    Group,
    Json,
    Parent,
    Rows,
    hand_out,
    index,
    inherit,
    leaves,
    masked,
    needed,
    page_info,
    parent_key,
    parents_of,
    partition_of,
    renumbered,
    set_all,
)
from hub.storage.reads.write import global_id
from hub.storage.session import ScopedSession

__all__ = ["OutOfScope", "Reader", "Reading"]


@dataclass(frozen=True, slots=True)
class Pending:
    """A live field of one level: the objects it is missing in, and what is to be known of each to
    ask for it."""

    output: Live
    objects: Sequence[Json]
    rows: Sequence[Mapping[str, Any]]


class Reader:
    """Runs the parts of one request in one read session. What only a vendor knows is left null and
    `pending`, to be asked for when the session is closed."""

    def __init__(self, session: ScopedSession, now: datetime) -> None:
        self._session = session
        self._values: Sequence[Any] = ()
        self._scope = session.scope
        self._now = now
        self.reading = Reading()
        self.pending: list[Pending] = []

    def root(self, part: Root, values: Sequence[Any]) -> Any:
        """The JSON value of one root field; `values` are those the part is bound to."""
        self._values = values
        if isinstance(part, Constant):
            return part.value
        if isinstance(part, RootPage):
            return self._pages(part.page, None, None)[0]
        if isinstance(part, ById):
            row_id = part.id.among(self._values)
            return self._rows_by_id(part.objects, [row_id]).get(row_id)
        wanted = part.wanted.among(self._values)
        found = {
            name: self._rows_by_id(objects, [i for n, i in filter(None, wanted) if n == name])
            for name, objects in part.objects
        }
        return [found[w[0]].get(w[1]) if w and w[0] in found else None for w in wanted]

    def _names(self, source: Source, selections: Iterable[Objects]) -> tuple[str, ...]:
        labels = sql.shows_labels(source, self._scope)
        return sql.needed_columns(source, selections, labels=labels)

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
        names = self._names(objects.source, [objects])
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
        names = self._names(source, [link.objects])
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
            parents = parents_of(page, link, above)
        partition = partition_of(page, link, parents)
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
                set_all(connections, output.key, [output.value] * len(parents))
            elif isinstance(output, Total):
                set_all(connections, output.key, [totals.get(p, 0) for p in parents])
            elif isinstance(output, Aggregates):
                groups_of = self._aggregates(output, page, link, parents, clause, partition)
                set_all(connections, output.key, [groups_of.get(p, []) for p in parents])
            elif isinstance(output, Nodes):
                written = self._objects(output.objects, rows)
                set_all(connections, output.key, [[written[i] for i in g.shown] for g in groups])
            elif isinstance(output, Edges):
                edges = self._edges(output, page, rows)
                set_all(connections, output.key, [[edges[i] for i in g.shown] for g in groups])
            else:
                cursors = self._cursors(page, rows) if page.needs_rows() else []
                set_all(connections, output.key, [page_info(output, g, cursors) for g in groups])
        return connections

    def _page_rows(
        self,
        page: Page,
        link: Many | None,
        parents: list[Parent],
        clause: ColumnElement[bool] | None,
        partition: tuple[str, ...],
        above: Rows | None,
    ) -> tuple[Rows, list[Group]]:
        names = self._names(page.source, page.selections())
        keys = page.order.columns if page.needs_rows() else ()
        names = tuple(dict.fromkeys((*names, *keys, *partition)))
        if not page.needs_rows() or not parents:
            return Rows(page.source, index(names), [], []), [Group([], False) for _ in parents]
        if len(parents) == 1 or clause is None:
            position = self._position(page)
            statement = sql.whole_page(
                page.source, self._scope, page, self._values, names, clause, position
            )
        else:
            statement = sql.pages_per_parent(
                page.source, self._scope, page, self._values, names, clause, partition
            )
        rows = self._fetch(page.source, names, statement)
        groups = hand_out(rows, page.first.among(self._values), link, parents, partition)
        rows = rows.pick([i for group in groups for i in group.shown])
        groups = renumbered(groups)
        if page.source.subject == INHERITED and above is not None:
            rows = inherit(rows, groups, above)
        return rows, groups

    def _position(self, page: Page) -> ColumnElement[bool] | None:
        if page.after is None:
            return None
        keys: Sequence[Any] = ()
        place = cursors_of(page.source, page.order).read(page.after.among(self._values))
        with suppress(NotFound):
            row_id = sql.key_value(page.source, place.id)
            keys = self._execute(sql.cursor_keys(page.source, self._scope, page, row_id))
        if not keys:
            raise NotFound("There is no such cursor.")
        stands = keys[0] if place.keys is None else (*place.keys, keys[0][-1])
        return sql.row_after(page.source, page.order, tuple(stands))

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
        counted = self._execute(
            sql.totals(page.source, self._scope, page, self._values, clause, partition)
        )
        found = {parent_key(row[:-1], partition, link): int(row[-1]) for row in counted}
        if page.classes & SENSITIVE:
            self.reading.entities[page.source.type_name] += sum(found.values())
        return found

    def _aggregates(
        self,
        wanted: Aggregates,
        page: Page,
        link: Many | None,
        parents: list[Parent],
        clause: ColumnElement[bool] | None,
        partition: tuple[str, ...],
    ) -> dict[Parent, list[Json]]:
        if not parents:
            return {}
        where = sql.matching(page.source, self._scope, page, self._values, clause)
        rows = self._execute(aggregates.statement(page.source, wanted, where, partition))
        groups = aggregates.groups(page.source, wanted, partition, rows)
        self._check_practices(page.source, [group.practice for group in groups])
        if (page.classes | wanted.classes) & SENSITIVE:
            self.reading.entities[page.source.type_name] += sum(group.count for group in groups)
            self.reading.practice_ids.update(g.practice for g in groups if g.practice is not None)
        found: dict[Parent, list[Json]] = defaultdict(list)
        for group in groups:
            found[parent_key(group.parent, partition, link)].append(group.written)
        return found

    def _edges(self, edges: Edges, page: Page, rows: Rows) -> list[Json]:
        written: list[Json] = [{} for _ in rows.values]
        for item in edges.items:
            if isinstance(item, Cursor):
                set_all(written, item.key, self._cursors(page, rows))
            elif isinstance(item, Nodes):
                set_all(written, item.key, self._objects(item.objects, rows))
            else:
                set_all(written, item.key, [item.value] * len(written))
        return written

    def _cursors(self, page: Page, rows: Rows) -> list[str]:
        cursors = cursors_of(page.source, page.order)
        if not cursors.columns:
            return [str(key) for key in rows.column("id")]
        output = cursors.output()
        return list(output.compute(needed(output.needs, rows), self._now))

    # Objects

    def _objects(self, objects: Objects, rows: Rows) -> list[Json]:
        """The rows written as the selection wants them."""
        self._note(objects, rows)
        return self._written(objects, rows)

    def _written(self, objects: Objects, rows: Rows) -> list[Json]:
        hidden = self._hidden(objects.source, rows)
        written: list[Json] = [{} for _ in rows.values]
        for output in objects.outputs:
            if isinstance(output, Leaf):
                values = leaves(output, rows)
                set_all(written, output.key, masked(values, hidden if output.identifier else None))
            elif isinstance(output, GlobalId):
                name = objects.source.type_name
                set_all(written, output.key, [global_id(name, i) for i in rows.column("id")])
            elif isinstance(output, One):
                set_all(written, output.key, self._one(output, rows))
            elif isinstance(output, Many):
                set_all(written, output.key, self._pages(output.page, output, rows))
            elif isinstance(output, Own):
                set_all(written, output.key, self._own(output, rows))
            elif isinstance(output, Live):
                set_all(written, output.key, [None] * len(written))
                self.pending.append(Pending(output, written, needed(output.needs, rows)))
            elif isinstance(output, Computed):
                values = self._computed(output, rows)
                set_all(written, output.key, masked(values, hidden if output.identifier else None))
            else:
                set_all(written, output.key, [output.value] * len(written))
        return written

    def _own(self, output: Own, rows: Rows) -> list[Json | None]:
        present = [i for i, value in enumerate(rows.column(output.present)) if value is not None]
        found: list[Json | None] = [None] * len(rows.values)
        written = self._written(output.objects, rows.pick(present))
        for i, value in zip(present, written, strict=True):
            found[i] = value
        return found

    def _computed(self, output: Computed, rows: Rows) -> list[Any]:
        return list(output.compute(needed(output.needs, rows), self._now))

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
        if sql.shows_labels(source, self._scope):
            reading.labelled[source.type_name] += sum(map(bool, rows.column(sql.LABEL)))
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
        rows = Rows(source, index(names), values, [None] * len(values))
        self._check_practices(source, rows.practices())
        return rows

    def _check_practices(self, source: Source, practices: Sequence[str | None]) -> None:
        """The second check: whatever the statement said, no row of another practice leaves."""
        if self._scope.unrestricted or source.access in (Access.CATALOGUE, Access.MSO):
            return
        if source.access is Access.OPERATED:
            own = self._scope.own_practice_id
            foreign = not self._scope.is_mso and any(p != own for p in practices)
        else:
            foreign = not set(practices) <= sql.practice_ids(source, self._scope, full_rows=False)
        if foreign:
            raise OutOfScope("A read returned rows outside its scope.")

    def _execute(self, statement: Select[Any]) -> Sequence[Any]:
        return self._session.connection().execute(statement).all()
