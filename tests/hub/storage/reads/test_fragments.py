"""Pieces of SQL: names are checked, constants quoted, values numbered where they are used."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.storage.reads import fragments as f
from hub.storage.tables import Base, Patient

PATIENTS = f.rows_of(Base.metadata.tables[Patient.__tablename__], "t1")
HOSTILE = ["", 'a"b', "a b", "a;b", "1a", "a'b", "a--", "\u00e4", "a\n", "t1) x"]


@pytest.mark.parametrize("name", HOSTILE)
def test_only_names_are_names(name):
    with pytest.raises(ValueError, match="not a name"):
        f.checked_name(name)
    for make in (
        lambda: f.rows_of(Base.metadata.tables[Patient.__tablename__], name),
        lambda: f.derived(f.select(f.number(1)), name),
        lambda: f.select({name: f.number(1)}),
        lambda: f.unfolded(f.call("json_each", f.parameter(0)), "x", name, named=True),
    ):
        with pytest.raises(ValueError, match="not a name"):
            make()


def test_a_column_must_be_one_of_the_table():
    assert PATIENTS["id"].text == 't1."id"'
    assert (PATIENTS["id"].nullable, PATIENTS["birth_date"].nullable) == (False, True)
    with pytest.raises(KeyError):
        PATIENTS["no_such_column"]


@given(st.text(st.characters(exclude_characters="\x00\x1a", exclude_categories=["Cs"])))
def test_a_constant_comes_back_as_it_was(text):
    statement, _ = f.numbered(f.select(f.constant(text)), "?")
    assert sqlite3.connect(":memory:").execute(statement).fetchone() == (text,)


def test_a_constant_cannot_pass_for_a_parameter():
    with pytest.raises(ValueError, match="not a constant"):
        f.constant("\x1a0\x1a")


def test_parameters_are_numbered_as_they_are_used_and_unused_ones_left_out():
    clause = f.both(
        f.equal(PATIENTS["id"], f.parameter(4)), f.compare(f.parameter(2), "<", f.parameter(4))
    )
    query = f.select({"id": PATIENTS["id"]}, PATIENTS, [clause], limit=f.parameter(0))
    assert f.numbered(query, "$") == (
        'SELECT t1."id" AS "id" FROM "patients" AS t1 WHERE (t1."id" = $1 AND $2 < $1) LIMIT $3',
        [4, 2, 0],
    )
