"""What the small-group rule asks for is what the database gives past row-level security."""

from __future__ import annotations

from hub.storage.tables.row_security import SHARES
from schema.root import TYPES


def test_every_group_of_a_type_is_one_that_the_database_gives_whole():
    groups = [each.small_group for each in TYPES if each.small_group is not None]
    assert {group.table.__tablename__: group.column for group in groups} == SHARES
    assert {group.weight for group in groups} == {"standalone_cost"}
