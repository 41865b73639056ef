"""Objects as text: the rows of one selection, their links, and who they belong to.

Rows are scoped where each part begins; below it the composite join keeps the practice, and the
scope is asked again only where it differs. What each row is travels in marks (`marks.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from hub.domain.agreements import DataClass
from hub.storage.reads import select as sql
from hub.storage.reads.binds import Binds
from hub.storage.reads.compile_base import Columns, Row, constant_text, key_text
from hub.storage.reads.compile_consents import consented
from hub.storage.reads.compile_figures import figures_shown
from hub.storage.reads.compile_pages import page_text
from hub.storage.reads.fragments import (
    NULL,
    From,
    Sql,
    both,
    call,
    cast,
    choose,
    constant,
    either,
    equal,
    is_null,
    never,
    number,
    rows_of,
    scalar,
    select,
)
from hub.storage.reads.made import HOLE, Made, shape_of_type
from hub.storage.reads.marks import EDGE, SAME, TOTAL, Mark, is_checked
from hub.storage.reads.parts import (
    INHERITED,
    SENSITIVE,
    Access,
    Bound,
    ById,
    Computed,
    Constant,
    GlobalId,
    Leaf,
    Many,
    Objects,
    One,
    Own,
    Source,
)
from hub.storage.reads.scoping import ScopeShape
from hub.storage.reads.text import Piece, Writer

ABOUT_PATIENTS = frozenset({DataClass.PHI, DataClass.PHI_SENSITIVE})


class Compiler:
    """Makes the expressions of one statement, all of whose rows belong to the practices `only`, if
    any are named."""

    def __init__(self, shape: ScopeShape, writer: Writer, only: Sequence[Bound] = ()) -> None:
        self.shape = shape
        self.writer = writer
        self.binds = Binds(shape, writer, only)
        self.marks: list[Mark] = []
        self.made: list[Made] = []
        self.sources: set[Source] = set()
        self._aliases = 0

    # Scope

    def own_clause(self, source: Source, columns: Columns, number: int | None) -> Sql | None:
        """The rows in scope, asked of the rows themselves; None if all of them are."""
        if source.owned or source.access is Access.PRACTICES:
            value = columns["practice_id" if source.owned else "id"]
            return None if number is None else self.binds.member(value, number)
        if source.access is Access.CATALOGUE or self.shape.is_mso:
            return None
        if source.access is Access.OPERATED and self.shape.has_own:
            return equal(columns["practice_id"], self.binds.own())
        return never()

    def inside(
        self, source: Source, columns: Columns, number: int | None, row: Row | None, remote: str
    ) -> list[Sql]:
        """The clauses that keep rows below `row` in its practice and in scope."""
        practice = None
        clauses: list[Sql] = []
        if row is not None and remote == "practice_id":
            practice = row.columns["id"]
        elif row is not None and source.owned and row.practice is not None:
            practice = row.practice
            clauses.append(equal(columns["practice_id"], practice))
        if practice is None or row is None or not source.owned:
            own = self.own_clause(source, columns, number)
            return clauses if own is None else [*clauses, own]
        if number is not None and number != row.known:
            # Of the row above, so that the order of the index below stays usable.
            clauses.append(self.binds.member(practice, number))
        return clauses

    def label_clauses(self, source: Source, columns: Columns) -> list[Sql]:
        """The rows without a sensitivity label, and those with one that the scope includes."""
        if not source.labelled or source.domain is None or self.shape.unrestricted:
            return []
        number, emergency = self.shape.sensitive_set(source), self.shape.emergency
        if number == self.shape.readable_set(source.domain) and not emergency:
            return []
        shown = equal(columns[sql.LABEL], constant(""))
        if number is not None:
            opened = self.binds.member(columns["practice_id"], number)
            if emergency:
                theirs = equal(columns[sql.labelled_patient(source)], self.binds.patient())
                opened = both(opened, theirs)
            shown = either(shown, opened)
        if self.shape.consents:
            by_consent = consented(
                source,
                columns,
                self.binds,
                f"t{self.count()}",
                has_row_security=self.writer.has_row_security,
            )
            shown = either(shown, by_consent)
        return [shown]

    def needed(self, source: Source, selections: Iterable[Objects]) -> tuple[str, ...]:
        """The columns to select for some selections of the same rows."""
        labels = self.shape.shows_labels(source)
        return sql.needed_columns(source, selections, labels=labels)

    # Rows

    def alias(self, source: Source) -> From:
        self.sources.add(source)
        return rows_of(sql.table_of(source), f"t{self.count()}")

    def count(self) -> int:
        """A number for another alias."""
        self._aliases += 1
        return self._aliases

    def columns(self, source: Source, table: From, names: Sequence[str]) -> dict[str, Sql]:
        """The columns as selected: figures across practices only where the small-group rule
        holds."""
        group = source.small_group
        if self.shape.unrestricted or group is None:
            return {name: table[name] for name in names}
        number = self.shape.readable_set(group.domain)
        covered = partial(self.binds.member, number=number) if self.shape.is_mso else None
        shown = figures_shown(self.writer.shares(group, table["id"]), table["isolating"], covered)
        return {
            name: choose(shown, table[name], NULL) if name in source.suppressed else table[name]
            for name in names
        }

    def row(
        self,
        source: Source,
        columns: Mapping[str, Sql],
        number: int | None,
        above: Row | None,
        *,
        repeated: bool = False,
    ) -> Row:
        practice = columns.get("practice_id")
        if source.access is Access.PRACTICES:
            practice = columns["id"]
        subject = None if source.subject is None else columns.get(source.subject)
        if source.subject == INHERITED and above is not None:
            subject = above.subject
        again = repeated or (above is not None and above.repeated)
        told = above.practice if above is not None and above.told and source.owned else None
        proven = number if source.owned or source.access is Access.PRACTICES else None
        made = Row(source, columns, practice, proven, subject, again)
        return replace(made, above_practice=told)

    def by_id(self, root: ById) -> Sql:
        source = root.objects.source
        table, number = self.alias(source), self.shape.set_of(source)
        own = self.own_clause(source, table, number)
        wanted = [equal(table["id"], self.binds.key(root.id, sql.table_of(source).c.id))]
        if own is not None:
            wanted.append(own)
        wanted += self.label_clauses(source, table)
        found = self._single(root.objects, table, None, number, wanted)
        return call("coalesce", found, constant("null"))

    def _one(self, link: One, row: Row) -> Sql:
        source = link.objects.source
        table, number = self.alias(source), self.shape.set_of(source)
        wanted = [equal(table["id"], row.columns[link.column])]
        own_practice = source.access is Access.PRACTICES and link.column == "practice_id"
        if not (own_practice and row.known is not None):
            wanted += self.inside(source, table, number, row, "")
        wanted += self.label_clauses(source, table)
        found = self._single(link.objects, table, row, number, wanted)
        return call("coalesce", found, constant("null"))

    def _single(
        self, objects: Objects, table: From, above: Row | None, known: int | None, wanted: list[Sql]
    ) -> Sql:
        source = objects.source
        columns = self.columns(source, table, self.needed(source, [objects]))
        row = self.row(source, columns, known, above, repeated=above is not None)
        text = self.writer.concat(self.objects(objects, row))
        # A link asks for the whole key, and a limit costs as much as finding the row.
        return scalar(select(text, table, wanted, limit=number(1) if above is None else None))

    # Objects

    def mark(self, mark: Mark) -> int:
        self.marks.append(mark)
        return len(self.marks) - 1

    def _row_mark(self, objects: Objects, row: Row) -> tuple[list[Piece], Sql | None]:
        """Who the row belongs to and who it is about, and the condition under which it need not be
        said: that its practice is that of the row above, where this is all it could say."""
        source, shape = objects.source, self.shape
        counted = _is_counted(objects)
        checked = is_checked(source, unrestricted=shape.unrestricted, is_mso=shape.is_mso)
        if not counted and not checked:
            return [], None
        subject = _named_subject(objects, row)
        by_id = row.repeated and counted
        above = row.above_practice if subject is None else None
        silent = above is not None and not by_id and not (counted and self._tells_labels(source))
        mark = Mark(source, counted and not silent, subject is not None, by_id, above is not None)
        pieces: list[Piece] = [EDGE, *self._mark_number(mark, row), ","]
        if row.practice is not None and above is not None and not silent:
            same = equal(row.practice, above)
            pieces.append(choose(same, constant(SAME), row.practice))
        elif row.practice is not None:
            pieces.append(self._present(row.practice))
        if subject is not None:
            pieces += [",", self._present(subject)]
        if by_id:
            pieces += [",", cast(row.columns["id"], "TEXT")]
        pieces.append(EDGE)
        if row.practice is not None and above is not None and silent:
            return pieces, equal(row.practice, above)
        return pieces, None

    def page_mark(self, objects: Objects, row: Row, rows: Sql) -> list[Piece]:
        """How many rows a page lists, where they do not say so themselves."""
        if row.repeated or row.above_practice is None or not _is_counted(objects):
            return []
        if _named_subject(objects, row) is not None or self._tells_labels(objects.source):
            return []
        number = self.mark(Mark(objects.source, counted=True, subject=False, by_id=False))
        return [f"{EDGE}{TOTAL}{number},", rows, EDGE]

    def _tells_labels(self, source: Source) -> bool:
        """True if counted rows say whether they have a sensitivity label."""
        return self.shape.shows_labels(source)

    def _mark_number(self, mark: Mark, row: Row) -> list[Piece]:
        """One number for rows with a sensitivity label, and one for those without."""
        number = f"{self.mark(mark)}"
        if not mark.counted or not self._tells_labels(mark.source):
            return [number]
        labelled = self.mark(replace(mark, labelled=True))
        plain = equal(row.columns[sql.LABEL], constant(""))
        return [choose(plain, constant(number), constant(f"{labelled}"))]

    def _present(self, column: Sql) -> Sql:
        return call("coalesce", column, constant("")) if column.nullable else column

    def objects(self, objects: Objects, row: Row) -> list[Piece]:
        mark, unless = self._row_mark(objects, row)
        noted = bool(objects.classes & ABOUT_PATIENTS) and row.subject is not None
        told = bool(objects.classes & SENSITIVE) and row.practice is not None
        row = replace(row, noted=noted, told=told or row.above_practice is not None)
        outputs = self._outputs(objects, row)
        if unless is None:
            return ["{", *mark, *outputs, "}"]
        # With the first key: SQLite copies all there is so far for each text that is added.
        first, rest = outputs[:1], outputs[1:]
        concat = self.writer.concat
        return [choose(unless, concat(["{", *first]), concat(["{", *mark, *first])), *rest, "}"]

    def _outputs(self, objects: Objects, row: Row) -> list[Piece]:
        pieces: list[Piece] = []
        for place, output in enumerate(objects.outputs):
            pieces.append(key_text(output.key, place))
            if isinstance(output, Constant):
                pieces.append(constant_text(output))
            elif isinstance(output, GlobalId):
                coded = self.writer.node_id(objects.source.type_name, row.columns["id"])
                pieces += ['"', coded, '"']
            elif isinstance(output, Leaf):
                pieces.append(self._leaf(output, row))
            elif isinstance(output, Computed):
                pieces.append(self._computed(output, row))
            elif isinstance(output, One):
                pieces.append(self._one(output, row))
            elif isinstance(output, Many):
                pieces.append(page_text(self, output.page, row, output.remote))
            elif isinstance(output, Own):
                pieces.append(self._own(output, row))
        return pieces

    def _own(self, output: Own, row: Row) -> Sql:
        text = self.writer.concat(["{", *self._outputs(output.objects, row), "}"])
        return choose(is_null(row.columns[output.present]), constant("null"), text)

    def _leaf(self, leaf: Leaf, row: Row) -> Sql:
        stored = sql.table_of(row.source).c[leaf.column]
        text = self.writer.value(row.columns[leaf.column], stored, leaf.shape, leaf.words)
        suppressed = not self.shape.unrestricted and leaf.column in row.source.suppressed
        if stored.nullable or suppressed:
            text = call("coalesce", text, constant("null"))
        return self._unlimited(text, leaf, row)

    def _computed(self, output: Computed, row: Row) -> Sql:
        return self._unlimited(self.hole(output, row.source, row.columns), output, row)

    def hole(self, output: Computed, source: Source, columns: Columns) -> Sql:
        """What a value needs of the row, to be made of it once that is read."""
        stored = [sql.table_of(source).c[name] for name in output.needs]
        shapes = tuple(map(shape_of_type, stored))
        self.made.append(Made(output, shapes))
        pieces: list[Piece] = [f"{HOLE}{len(self.made) - 1}["]
        for place, (column, shape) in enumerate(zip(stored, shapes, strict=True)):
            text = self.writer.needed(columns[column.name], column, shape)
            pieces += ["," if place else "", call("coalesce", text, constant("null"))]
        return self.writer.concat([*pieces, f"]{HOLE}"])

    def _unlimited(self, text: Sql, output: Leaf | Computed, row: Row) -> Sql:
        """Null where an identifier is not to be read."""
        limited = self.shape.limited_set(row.source) if output.identifier else None
        if limited is None or row.practice is None:
            return text
        return choose(self.binds.member(row.practice, limited), constant("null"), text)


def _is_counted(objects: Objects) -> bool:
    return bool(objects.classes & SENSITIVE)


def _named_subject(objects: Objects, row: Row) -> Sql | None:
    """The patient a row is about, where the row above does not name them."""
    return row.subject if objects.classes & ABOUT_PATIENTS and not row.same_subject else None
