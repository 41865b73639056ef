"""Checks of where a source begins again, where it stops, and what a part of a listing is."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial

from connectors.sdk.base import StreamSpec, Window
from connectors.sdk.ctx import Ctx
from connectors.sdk.kit import wire
from connectors.sdk.kit.attempts import attempt, told
from connectors.sdk.kit.model import DoesNotApply, check
from connectors.sdk.kit.subject import NOW, Subject, state
from hub.domain.records import Cursor, Page, Record
from hub.errors import Cancelled, DeadlineNear, HubError

_ENDS = (400, 404, 410, 501)
"""Statuses by which no vendor says that a listing has come to its end."""


def _incremental(subject: Subject) -> list[StreamSpec]:
    found = [spec for spec in subject.specs if spec.mode == "incremental"]
    if not found:
        raise DoesNotApply("no stream is incremental")
    return found


def _newest(subject: Subject, spec: StreamSpec) -> list[Record]:
    """The records of a stream that share its greatest time."""
    records = [record for page in subject.whole(spec.name) for record in page.records]
    times = [r.occurred_at for r in records if r.occurred_at is not None and r.occurred_at <= NOW]
    newest = max(times, default=None)
    return [record for record in records if newest and record.occurred_at == newest]


@check(
    "source",
    "Rows with the very time at which the last run ended are asked for again: another one may have"
    " got that time since.",
    "Ask inclusively, from the watermark on and not from after it; read_pages does.",
)
def boundary_ties_not_lost(subject: Subject) -> Iterator[str]:
    for spec in _incremental(subject):
        newest = _newest(subject, spec)
        if len(newest) < 2:
            yield f"{spec.name}: no two rows of the simulator share the last time"
        again = state(list(subject.read(spec.name, subject.whole(spec.name)[-1].cursor)))
        if lost := [r for r in newest if r.external_id not in again]:
            yield f"{spec.name}: {len(lost)} rows of the time where the last run ended are not read"


@check(
    "source",
    "A row that the vendor shows late, by at most the stream's lookback, is still seen.",
    "Ask from the watermark less the lookback; read_pages does.",
)
def late_arrival_within_lookback(subject: Subject) -> Iterator[str]:
    specs = [spec for spec in _incremental(subject) if spec.lookback]
    if not specs:
        raise DoesNotApply("no stream declares a lookback")
    for spec in specs:
        newest = _newest(subject, spec)
        ahead = _later(subject.whole(spec.name)[-1].cursor, newest, spec.lookback * 0.9)
        if ahead is None:
            yield f"{spec.name}: its last cursor does not hold the last row's time in ISO 8601"
            continue
        again = state(list(subject.read(spec.name, ahead)))
        if any(record.external_id not in again for record in newest):
            yield f"{spec.name}: rows that came late by less than its lookback are not read"


def _later(cursor: Cursor | None, newest: list[Record], by: timedelta) -> Cursor | None:
    """A cursor as if a row by so much newer had been read: the last time in it, moved."""
    if cursor is None or not newest or newest[0].occurred_at is None:
        return None
    last, values = newest[0].occurred_at, dict(cursor.values)
    for key, value in cursor.values.items():
        with contextlib.suppress(ValueError, TypeError):
            time = datetime.fromisoformat(value) if isinstance(value, str) else None
            if time is not None and abs(time - last) < timedelta(seconds=60):
                values[key] = (time + by).isoformat()
    return Cursor(cursor.version, values) if values != cursor.values else None


@check(
    "source",
    "A run that is to stop, or has no time left, stops after the page under way.",
    "Ask ctx.cancelled() and ctx.deadline before each page; read_pages does.",
)
def deadline_checkpoints(subject: Subject) -> Iterator[str]:
    long = [spec for spec in subject.specs if len(subject.whole(spec.name)) > 1]
    if not long:
        raise DoesNotApply("no stream has more than one page in the simulator")
    for spec in long:
        for how, expected in (("deadline", DeadlineNear), ("cancelled", Cancelled)):
            before: list[Page] = []
            error = _stopped(subject, spec, how, before)
            if not isinstance(error, expected):
                yield (
                    f"{spec.name}: {told(error)} instead of {expected.__name__} after its first"
                    " page"
                )
            elif len(before) > 1:
                yield f"{spec.name}: it read {len(before) - 1} pages more"


def _stopped(
    subject: Subject, spec: StreamSpec, how: str, pages: list[Page]
) -> BaseException | None:
    """What a reading ends in that is to stop after its first page; its pages go to `pages`."""

    class Clock:
        def now(self) -> datetime:
            late = how == "deadline" and bool(pages)
            return NOW + timedelta(hours=2) if late else NOW

    usual = subject.call().ctx
    ctx = dataclasses.replace(
        usual, clock=Clock(), cancelled=lambda: how == "cancelled" and bool(pages)
    )
    try:
        for page in subject.source.read(ctx, spec.name, None, Window(NOW)):
            pages.append(page)
    except HubError as error:
        return error
    return None


@check(
    "source",
    "A listing that breaks off is never complete, so that nothing counts as deleted that was only"
    " not read; deletions come from streams that declare them.",
    "Let the error of ctx.http through on every page, and declare `deletes` of the StreamSpec.",
)
def delete_guard_and_complete_flag(subject: Subject) -> Iterator[str]:
    for spec in subject.specs:
        whole = subject.whole(spec.name)
        if spec.deletes == "none" and any(r.op == "delete" for page in whole for r in page.records):
            yield f"{spec.name}: it deletes, and declares no deletes"
        for place in (1, 2, 3, 4):
            for status in _ENDS:
                call = subject.call(wire.status(status), place)
                error, pages = attempt(call, partial(_pages, subject, spec.name))
                if error is None and call.wire.hit and state(pages).keys() < state(whole).keys():
                    yield f"{spec.name}: a listing that ended in {status} was taken for whole"


def _pages(subject: Subject, stream: str, ctx: Ctx) -> list[Page]:
    return list(subject.source.read(ctx, stream, None, Window(NOW)))


CHECKS = (
    boundary_ties_not_lost,
    late_arrival_within_lookback,
    deadline_checkpoints,
    delete_guard_and_complete_flag,
)
