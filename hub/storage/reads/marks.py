"""Marks in a text: what was read, carried along inside the answer and taken out before it leaves.

Each row writes its practice and its patient between two control characters, which JSON text never
holds unescaped. So what is audited and checked is what is in the answer, in one snapshot.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from hub.domain.agreements import Scope
from hub.errors import NotFound
from hub.storage.reads.parts import Access, Source
from hub.storage.reads.reading import OutOfScope, Reading

EDGE = "\x1e"
NO_CURSOR, TOTAL, ROWS, SAME = "!", "+", "#", "="


@dataclass(frozen=True, slots=True)
class Mark:
    """What the rows of one selection say: ``number,practice``, then patient and id where asked.

    `counted`: the rows are written to the audit trail; `by_id`: one row may appear many times and
    counts once. `below`: a practice may be written as that of the row above; a row that had nothing
    else to say has no mark, and where it counts its page tells how many there are, as a total.
    `labelled`: the rows have a sensitivity label.
    """

    source: Source
    counted: bool
    subject: bool
    by_id: bool
    below: bool = False
    labelled: bool = False


@dataclass(slots=True)
class _Patients:
    """Counted rows of one selection and practice that differ in their patient alone."""

    type_name: str
    practice_id: str
    labelled: bool
    rows: int = 0


class Marks:
    """The marks found in the texts of one statement, checked and added up."""

    def __init__(self, marks: Sequence[Mark], scope: Scope) -> None:
        self._marks = marks
        self._scope = scope
        self.reading = Reading()
        entities = self.reading.entities
        for mark in marks:  # a search that finds nobody is audited too
            if mark.counted and not mark.by_id:
                entities[mark.source.type_name] = 0
        self.root_rows: dict[int, int] = {}
        self._patients: dict[str, _Patients] = {}

    def release(self, text: str) -> str:
        """The text without its marks.

        Raises OutOfScope if a row of another practice is in it, NotFound for an unknown cursor.
        """
        pieces = text.split(EDGE)
        if len(pieces) == 1:
            return text
        if len(pieces) % 2 == 0:
            raise OutOfScope("A read returned a mark without an end.")
        patients, add = self._patients, self.reading.subjects.add
        for mark, times in Counter(pieces[1::2]).items():
            head, _, last = mark.rpartition(",")
            known = patients.get(head)
            if known is None:
                self._take(mark, times)
            else:  # all but the patient was checked with an earlier mark
                known.rows += times
                if last:
                    add((known.practice_id, last))
        for known in patients.values():
            self.reading.entities[known.type_name] += known.rows
            if known.labelled:
                self.reading.labelled[known.type_name] += known.rows
            known.rows = 0
        return "".join(pieces[::2])

    def _take(self, text: str, times: int) -> None:
        if not text[0].isdigit():
            self._take_other(text[0], text[1:], times)
            return
        number, practice, *rest = text.split(",")
        place = int(number)
        mark = self._marks[place]
        allowed = _allowed(mark.source, self._scope)
        same = mark.below and practice == SAME
        foreign = allowed is not None and practice not in allowed and not same
        if foreign or len(rest) != mark.subject + mark.by_id:
            raise OutOfScope("A read returned rows outside its scope.")
        if not mark.counted:
            return
        name, rows = mark.source.type_name, 1 if mark.by_id else times
        self.reading.entities[name] += rows
        if mark.labelled:
            self.reading.labelled[name] += rows
        if practice and not same:
            self.reading.practice_ids.add(practice)
            if mark.subject and rest[0]:
                self.reading.subjects.add((practice, rest[0]))
            if mark.subject and not mark.by_id:
                head = f"{number},{practice}"
                self._patients[head] = _Patients(name, practice, mark.labelled)

    def _take_other(self, kind: str, text: str, times: int) -> None:
        if kind == NO_CURSOR:
            raise NotFound("There is no such cursor.")
        number, count, *parent = text.split(",")
        if kind == ROWS:
            self.root_rows[int(number)] = int(count)
        elif kind == TOTAL:
            again = 1 if parent else times
            self.reading.entities[self._marks[int(number)].source.type_name] += int(count) * again
        else:
            raise OutOfScope("A read returned an unknown mark.")


def is_checked(source: Source, *, unrestricted: bool, is_mso: bool) -> bool:
    """True if rows of `source` must be of practices in scope."""
    if unrestricted or source.access in (Access.CATALOGUE, Access.MSO):
        return False
    return source.access is not Access.OPERATED or not is_mso


def _allowed(source: Source, scope: Scope) -> frozenset[str] | None:
    """The practices whose rows may leave; None if any may."""
    if not is_checked(source, unrestricted=scope.unrestricted, is_mso=scope.is_mso):
        return None
    if source.access is Access.OPERATED:
        return frozenset() if scope.own_practice_id is None else frozenset({scope.own_practice_id})
    return scope.all_practices() if source.domain is None else scope.practices(source.domain)
