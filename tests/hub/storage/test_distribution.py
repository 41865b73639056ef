"""What a database distributed by practice asks of the tables: every row of a practice can be found,
kept unique and pointed at within its practice."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import Table, UniqueConstraint

from hub.storage.tables import Base, PracticeOwned

PAGE = Path(__file__).parents[3] / "docs/how-to/grow-past-one-database.md"
OWNED = {
    mapper.local_table.name: mapper.local_table
    for mapper in Base.registry.mappers
    if issubclass(mapper.class_, PracticeOwned)
}


@pytest.mark.parametrize("table", OWNED.values(), ids=str)
def test_every_key_of_a_practices_table_has_the_practice_in_it(table: Table) -> None:
    assert table.primary_key.columns.keys() == ["practice_id", "id"]
    keys = [c.columns.keys() for c in table.constraints if isinstance(c, UniqueConstraint)]
    keys += [index.columns.keys() for index in table.indexes if index.unique]
    assert [key for key in keys if "practice_id" not in key] == []


@pytest.mark.parametrize("table", OWNED.values(), ids=str)
def test_no_reference_leaves_its_practice(table: Table) -> None:
    for reference in table.foreign_key_constraints:
        target = reference.elements[0].column.table
        pairs = {(each.parent.name, each.column.name) for each in reference.elements}
        if target.name in OWNED:
            assert ("practice_id", "practice_id") in pairs


def test_the_tables_that_practices_rows_point_at_are_the_reference_tables_of_the_page() -> None:
    pointed = {
        element.column.table.name
        for table in OWNED.values()
        for reference in table.foreign_key_constraints
        for element in reference.elements
    } - set(OWNED)
    waiting, found = list(pointed), set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            targets = Base.metadata.tables[name].foreign_keys
            waiting += [each.column.table.name for each in targets]
    listed = re.findall(r"create_reference_table\('(\w+)'\)", PAGE.read_text())
    assert set(listed) == found
    assert len(listed) == len(found)
