"""Fetched rows, and how they are handed to their parents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hub.storage.reads.parts import INHERITED, Access, Constant, Leaf, Many, Page, PageInfo, Source
from hub.storage.reads.write import WRITERS

Json = dict[str, Any]
Parent = tuple[str | None, Any]


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


@dataclass(frozen=True, slots=True)
class Group:
    """The rows of one parent: positions shown, and whether there are more."""

    shown: list[int]
    more: bool


def parents_of(page: Page, link: Many, above: Rows) -> list[Parent]:
    scoped = page.source.owned and link.remote != "practice_id" and "practice_id" in above.names
    practices: Iterable[str | None] = above.practices() if scoped else [None] * len(above.values)
    return list(zip(practices, above.column("id"), strict=True))


def partition_of(page: Page, link: Many | None, parents: list[Parent]) -> tuple[str, ...]:
    if link is None:
        return ()
    if parents and parents[0][0] is not None:
        return ("practice_id", link.remote)
    return (link.remote,)


def parent_key(values: Sequence[Any], partition: tuple[str, ...], link: Many | None) -> Parent:
    if link is None:
        return (None, None)
    return (values[0], values[1]) if len(partition) == 2 else (None, values[0])


def hand_out(
    rows: Rows, first: int, link: Many | None, parents: list[Parent], partition: tuple[str, ...]
) -> list[Group]:
    """Hands rows to their parents and cuts each page to its size."""
    positions: dict[Parent, list[int]] = defaultdict(list)
    columns = [rows.column(name) for name in partition]
    for i in range(len(rows.values)):
        positions[parent_key([c[i] for c in columns], partition, link)].append(i)
    return [
        Group(found[:first], len(found) > first)
        for found in (positions.get(parent, []) for parent in parents)
    ]


def renumbered(groups: list[Group]) -> list[Group]:
    renumbered, start = [], 0
    for group in groups:
        end = start + len(group.shown)
        renumbered.append(Group(list(range(start, end)), group.more))
        start = end
    return renumbered


def inherit(rows: Rows, groups: list[Group], above: Rows) -> Rows:
    subject = above.source.subject
    known = above.subjects if subject in (None, INHERITED) else above.column(str(subject))
    subjects: list[str | None] = [None] * len(rows.values)
    for group, about in zip(groups, known, strict=True):
        for i in group.shown:
            subjects[i] = about
    return Rows(rows.source, rows.names, rows.values, subjects)


def leaves(leaf: Leaf, rows: Rows) -> list[Any]:
    writer = WRITERS[leaf.shape]
    values = rows.column(leaf.column)
    if writer is None:
        return values
    return [None if value is None else writer(value) for value in values]


def needed(names: Sequence[str], rows: Rows) -> list[dict[str, Any]]:
    """The columns that a computed or live field needs, by row."""
    columns = [rows.column(name) for name in names]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def masked(values: list[Any], hidden: list[bool] | None) -> list[Any]:
    if hidden is None:
        return values
    return [None if hide else value for hide, value in zip(hidden, values, strict=True)]


def page_info(info: PageInfo, group: Group, cursors: Sequence[str]) -> Json:
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


def index(names: Sequence[str]) -> dict[str, int]:
    return {name: i for i, name in enumerate(names)}


def set_all(objects: Sequence[Json], key: str, values: Iterable[Any]) -> None:
    for written, value in zip(objects, values, strict=True):
        written[key] = value
