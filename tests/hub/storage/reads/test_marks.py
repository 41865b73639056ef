"""Marks: what a text says of its rows is checked, counted and taken out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hub.domain.agreements import PrincipalKind, practice_scope
from hub.errors import NotFound
from hub.storage.reads.marks import EDGE, Mark, Marks
from hub.storage.reads.parts import Source
from hub.storage.reads.reading import OutOfScope
from schema.root import hub_schema

SCOPE = practice_scope("p1")


def source(name: str) -> Source:
    return hub_schema().declared[name].source


PATIENTS = Mark(source("Patient"), counted=True, subject=True, by_id=False)
PROVIDERS = Mark(source("Provider"), counted=False, subject=False, by_id=False)
LINKED = Mark(source("Patient"), counted=True, subject=True, by_id=True)


def marked(*fields: str) -> str:
    return f"{EDGE}{','.join(fields)}{EDGE}"


def test_the_text_comes_out_without_its_marks_and_what_was_read_is_added_up():
    marks = Marks([PATIENTS, PROVIDERS], SCOPE)
    one, two = marked("0", "p1", "ada"), marked("0", "p1", "bob")
    text = f'[{{{one}"a":1}},{{{two}"a":{{{marked("1", "p1")}"b":2}}}}]'
    assert marks.release(text) == '[{"a":1},{"a":{"b":2}}]'
    assert marks.reading.entities == {"Patient": 2}
    assert marks.reading.practice_ids == {"p1"}
    assert marks.reading.subjects == {("p1", "ada"), ("p1", "bob")}


@pytest.mark.parametrize(
    "text",
    [
        marked("1", "p2"),
        marked("1", ""),
        marked("0", "p1"),
        marked("0", "p1", "ada", "more"),
        marked("0", "p1", "ada") + marked("0", "p1", "ada", "more"),
        marked("0", "p1", "ada") + marked("0", "p2", "bob"),
        marked("1", "="),
        marked("?", "p1"),
        f"{EDGE}0,p1,ada",
    ],
)
def test_a_row_of_another_practice_or_a_broken_mark_releases_nothing(text):
    with pytest.raises(OutOfScope):
        Marks([PATIENTS, PROVIDERS], SCOPE).release(f"{{{text}}}")


def test_a_row_that_stands_in_the_answer_twice_counts_once():
    marks = Marks([LINKED], SCOPE)
    marks.release(marked("0", "p1", "ada", "ada") * 3 + marked("0", "p1", "bob", "bob"))
    assert marks.reading.entities == {"Patient": 2}


def test_a_row_may_say_that_its_practice_is_that_of_the_row_above():
    coverages = Mark(source("Coverage"), counted=True, subject=False, by_id=False, below=True)
    marks = Marks([PATIENTS, coverages], SCOPE)
    marks.release(marked("0", "p1", "ada") + marked("1", "=") * 3)
    assert marks.reading.entities == {"Patient": 1, "Coverage": 3}
    assert marks.reading.practice_ids == {"p1"}
    with pytest.raises(OutOfScope):
        marks.release(marked("0", "p1", "ada") + marked("1", "p2"))


def test_a_page_says_how_many_rows_it_lists_where_they_are_silent():
    rows = Mark(source("Coverage"), counted=False, subject=False, by_id=False, below=True)
    listed = Mark(source("Coverage"), counted=True, subject=False, by_id=False)
    marks = Marks([PATIENTS, rows, listed], SCOPE)
    page = marked("+2", "3")
    marks.release(marked("0", "p1", "ada") + page + page + marked("+2", "1"))
    assert marks.reading.entities == {"Patient": 1, "Coverage": 7}
    with pytest.raises(OutOfScope):
        marks.release(marked("0", "p1", "ada") + marked("1", "p2") + page)


def test_patients_of_several_texts_are_added_up():
    marks = Marks([PATIENTS], SCOPE)
    for name in ("ada", "bob", "ada"):
        marks.release(marked("0", "p1", name) + marked("0", "p1", "eve"))
    assert marks.reading.entities == {"Patient": 6}
    assert marks.reading.subjects == {("p1", "ada"), ("p1", "bob"), ("p1", "eve")}


def test_a_search_that_finds_nobody_is_still_a_reading():
    marks = Marks([PATIENTS], SCOPE)
    assert marks.release("[]") == "[]"
    assert bool(marks.reading)
    assert marks.reading.entities == {"Patient": 0}


def test_an_unknown_cursor_is_not_found_and_never_an_empty_page():
    with pytest.raises(NotFound):
        Marks([], SCOPE).release(f'{{{marked("!")}"nodes":[]}}')


def test_totals_and_rows_of_root_pages_are_told():
    marks = Marks([PATIENTS], SCOPE)
    assert marks.release(f'{{"totalCount":7{marked("+0", "7")}}}{marked("#1", "3")}') == (
        '{"totalCount":7}'
    )
    assert marks.reading.entities == {"Patient": 7}
    assert marks.root_rows == {1: 3}


def test_what_a_practice_operates_is_its_own_and_the_mso_sees_all_of_it():
    messages = Mark(source("InboundMessage"), counted=False, subject=False, by_id=False)
    own = replace(SCOPE, kind=PrincipalKind.PRACTICE_APP)
    assert Marks([messages], own).release(marked("0", "p1")) == ""
    with pytest.raises(OutOfScope):
        Marks([messages], own).release(marked("0", "p2"))
    mso = replace(SCOPE, kind=PrincipalKind.MSO_APP, own_practice_id=None)
    assert Marks([messages], mso).release(marked("0", "p2")) == ""
