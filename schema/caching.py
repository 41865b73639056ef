"""Which answers a client may keep, and the tag that says whether one is still true.

An answer may be kept if everything it is made of is counted by epochs
(`hub/storage/tables/epochs.py`) and none of it is about a patient or somebody's pay, or changes by
itself. Its tag is a digest of what was asked, of the scope, and of the epochs of what it reads:
comparing tags needs one small statement and no answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import orjson

from hub.domain.agreements import Scope
from hub.storage.reads.parts import (
    SENSITIVE,
    Aggregates,
    ById,
    ByIds,
    Computed,
    Live,
    Many,
    Objects,
    One,
    Own,
    Page,
    Root,
    RootPage,
    Source,
)
from hub.storage.reads.scoping import ScopeShape, Sets
from hub.storage.tables.epochs import COUNTED, NOBODY

_PROGRAM = version("mso-hub")
_NEVER = ""


@dataclass(frozen=True, slots=True)
class ReadNouns:
    """The nouns (tables) an answer is made of, and whether a client may keep it."""

    nouns: frozenset[str]
    kept: bool


def read_nouns(roots: Iterable[Root]) -> ReadNouns:
    """What is read by some root fields."""
    found = frozenset(_nouns(roots))
    return ReadNouns(found - {_NEVER}, found <= COUNTED)


@dataclass(frozen=True, slots=True)
class KeptScope:
    """What of a scope decides whether an answer still holds: a digest of all of it, and the
    practices whose epochs count. Made once for many requests."""

    digest: str
    practices: tuple[str, ...]


def kept_scope(scope: Scope, shape: ScopeShape, sets: Sets) -> KeptScope:
    """`shape` and `sets` are the scope as reads take it."""
    granted = sorted(scope.classes), scope.kind, scope.purpose, scope.own_practice_id
    digest = hashlib.sha256(repr((_PROGRAM, granted, shape, sets)).encode()).hexdigest()
    return KeptScope(digest, tuple(sorted({NOBODY}.union(*sets))))


def entity_tag(asked: str, variables: Mapping[str, Any], scope: KeptScope, epoch: str) -> str:
    """A weak entity tag (RFC 9110 section 8.8.3): two answers of the same tag say the same, though
    their `extensions.cost` may differ. `asked` is the operation's name and its document's digest.
    """
    parts = (asked, variables, scope.digest, epoch)
    written = orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)
    return f'W/"{hashlib.sha256(written).hexdigest()[:43]}"'


def holds(if_none_match: str | None, tag: str) -> bool:
    """True if a client that sent this header has the answer of `tag` already: the tags are compared
    weakly (RFC 9110 section 13.1.2)."""
    if if_none_match is None:
        return False
    listed = {each.strip() for each in if_none_match.split(",")}
    return "*" in listed or tag in listed or tag.removeprefix("W/") in listed


def _nouns(roots: Iterable[Root]) -> Iterator[str]:
    """The tables, and `_NEVER` for what keeps an answer from being kept."""
    for root in roots:
        if isinstance(root, RootPage):
            yield from _of_page(root.page)
        elif isinstance(root, ById):
            yield from _of_objects(root.objects)
        elif isinstance(root, ByIds):
            for _, objects in root.objects:
                yield from _of_objects(objects)


def _of_page(page: Page) -> Iterator[str]:
    yield from _of_source(page.source)
    aggregated = [output.classes for output in page.outputs if isinstance(output, Aggregates)]
    if page.classes.union(*aggregated) & SENSITIVE:
        yield _NEVER
    for objects in page.selections():
        yield from _of_objects(objects)


def _of_objects(objects: Objects) -> Iterator[str]:
    yield from _of_source(objects.source)
    if objects.classes & SENSITIVE:
        yield _NEVER
    for output in objects.outputs:
        if isinstance(output, One | Own):
            yield from _of_objects(output.objects)
        elif isinstance(output, Many):
            yield from _of_page(output.page)
        elif isinstance(output, Computed | Live):
            yield _NEVER


def _of_source(source: Source) -> Iterator[str]:
    yield source.table.__tablename__
    if source.small_group is not None:
        yield source.small_group.table.__tablename__
