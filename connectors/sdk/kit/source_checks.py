"""Checks of a source: its keys, its pages and its cursors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import timedelta

from connectors.sdk.kit import wire
from connectors.sdk.kit.attempts import attempt, told
from connectors.sdk.kit.model import check
from connectors.sdk.kit.subject import NOW, Subject, state
from hub.domain.records import Cursor, Page
from hub.errors import HubError

LARGEST_CURSOR = 4096
_MOST_STOPS = 12
"""A long stream is stopped after so many of its pages, spread over all of them."""


@check(
    "source",
    "Each record has a key of the vendor's own, which is the same at every reading.",
    "Take external_id from the vendor's row; reject a row without one.",
)
def keys_present_unique_stable(subject: Subject) -> Iterator[str]:
    for spec in subject.specs:
        keys = [key for page in subject.whole(spec.name) for key in _keys(page)]
        again = [key for page in subject.read(spec.name) for key in _keys(page)]
        if not keys:
            yield f"{spec.name}: the simulator gave no record, so that nothing is proven"
        if not all(isinstance(key, str) and key for key in keys):
            yield f"{spec.name}: a record has no external_id"
        elif len(set(keys)) < len(keys):
            yield f"{spec.name}: two records of one reading have one external_id"
        if sorted(map(str, keys)) != sorted(map(str, again)):
            yield f"{spec.name}: a second reading gave other keys"


def _keys(page: Page) -> list[str]:
    return [record.external_id for record in page.records]


@check(
    "source",
    "Reading again where nothing changed writes nothing.",
    "Keep everything out of a record that depends on when or how it was asked for.",
)
def read_twice_is_noop(subject: Subject) -> Iterator[str]:
    for spec in subject.specs:
        pages = subject.whole(spec.name)
        second = state(list(subject.read(spec.name, pages[-1].cursor)))
        if not second.items() <= state(pages).items():
            yield f"{spec.name}: the second reading gave records that are new or differ"


@check(
    "source",
    "A stream ends, with its last page alone complete, also where the vendor repeats itself.",
    "Stop at a page token seen before; read_pages does.",
)
def pagination_terminates(subject: Subject) -> Iterator[str]:
    for spec in subject.specs:
        pages = subject.whole(spec.name)
        if [page.complete for page in pages] != [False] * (len(pages) - 1) + [True]:
            yield f"{spec.name}: not the last page alone is complete"
        for place in (1, 2, 3, 4):
            call = subject.call(wire.repeating(), place)
            error, _ = attempt(call, subject.reading(spec.name))
            if error is not None and not isinstance(error, HubError):
                how = "it never ends" if isinstance(error, wire.Endless) else "it crashes"
                yield f"{spec.name}: {how} where answer {place} comes again and again"


@check(
    "source",
    "A cursor survives storage: versioned JSON of at most 4 KiB without lists; a strange one is no"
    " crash.",
    "Keep a watermark and a page token, never keys; read what is unknown from the beginning.",
)
def cursor_round_trip_bounded(subject: Subject) -> Iterator[str]:
    for spec in subject.specs:
        for page in subject.whole(spec.name):
            yield from (f"{spec.name}: {what}" for what in _faults_of(page.cursor))
        strange = Cursor(999_999, {"kit": "strange"})
        error, _ = attempt(subject.call(), subject.reading(spec.name, strange))
        if error is not None and not isinstance(error, HubError):
            yield f"{spec.name}: a cursor of another version ends in {told(error)}"


def _faults_of(cursor: Cursor | None) -> Iterator[str]:
    if cursor is None:
        return
    if not isinstance(cursor.version, int) or cursor.version < 1:
        yield "a cursor has no version"
    if not all(isinstance(value, str | int | None) for value in cursor.values.values()):
        yield "a cursor holds more than texts and whole numbers"
    try:
        size = len(json.dumps(asdict(cursor)).encode())
    except TypeError:
        yield "a cursor is no JSON"
        return
    if size > LARGEST_CURSOR:
        yield f"a cursor takes {size} bytes"


@check(
    "source",
    "A clock set back does not move a cursor back, which would read and write history again.",
    "Take the greatest value seen, never below the watermark before; read_pages does.",
)
def cursor_never_regresses(subject: Subject) -> Iterator[str]:
    for spec in subject.specs:
        last = subject.whole(spec.name)[-1].cursor
        due = state(list(subject.read(spec.name, last)))
        earlier = list(subject.read(spec.name, last, NOW - timedelta(days=90)))
        after = state(list(subject.read(spec.name, earlier[-1].cursor)))
        if not after.keys() <= due.keys():
            yield f"{spec.name}: after a run with an earlier clock it reads older rows again"


@check(
    "source",
    "A run that is killed after any page goes on there and ends in the same state.",
    "Give each page the cursor of what follows it, not of what was asked for.",
)
def kill_at_every_page_resumes(subject: Subject) -> Iterator[str]:
    for spec in subject.specs:
        whole = subject.whole(spec.name)
        for kept in _stops(whole):
            before = [page for page, _ in zip(subject.read(spec.name), range(kept), strict=False)]
            after = list(subject.read(spec.name, before[-1].cursor))
            if state([*before, *after]) != state(whole):
                yield f"{spec.name}: killed after page {kept} of {len(whole)}, records differ"


def _stops(pages: Sequence[Page]) -> Sequence[int]:
    return range(1, len(pages), max(1, len(pages) // _MOST_STOPS))


CHECKS = (
    keys_present_unique_stable,
    read_twice_is_noop,
    pagination_terminates,
    cursor_round_trip_bounded,
    cursor_never_regresses,
    kill_at_every_page_resumes,
)
