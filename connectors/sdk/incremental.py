"""Cursor arithmetic of an incremental stream, written once for every source.

A connector supplies `fetch`, which asks its vendor for one page; `read_pages` keeps the rules:

- ask inclusively, from the watermark less the stream's lookback, up to a bound frozen at the start
  of the run and carried over when the run is resumed;
- the watermark becomes min(greatest value seen, bound) after the last page, and never goes back;
- the vendor's page token is a place to resume, not a watermark: an expired one restarts its
  partition from the watermark;
- a record without a cursor value is kept and moves nothing;
- one granularity for parsing, comparing and storing;
- another set of partitions (a company added or taken away) reads everything again, since the new
  one has a history below the watermark.

The engine commits each page with its cursor, so a run killed after any page continues there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from connectors.sdk.base import StreamSpec, Window
from connectors.sdk.ctx import Ctx
from hub.domain.records import Cursor, Page, Record, RejectedRecord
from hub.errors import Cancelled, DeadlineNear, Transient

VERSION: Final = 1
_LONGEST_TOKEN: Final = 3000
"""A longer page token is not kept (a cursor holds 4 KiB): its partition then starts anew."""


class ResumeTokenExpired(Exception):
    """Raised by `fetch` where the vendor no longer knows the page token."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One question to the vendor. Times are aware and inclusive; `since` None means everything.

    `partition` is what the vendor splits its data by, usually a company; `token` continues a
    listing.
    """

    partition: str
    since: datetime | None
    until: datetime
    token: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """One page as read: `Record.occurred_at` is the cursor value, `next_token` None ends the
    partition."""

    records: tuple[Record, ...]
    rejected: tuple[RejectedRecord, ...] = ()
    next_token: str | None = None


@dataclass(frozen=True, slots=True)
class _Position:
    """A cursor's values: the watermark, and while a run is under way its bound and place."""

    partitions: str
    watermark: datetime | None = None
    until: datetime | None = None
    seen: datetime | None = None
    partition: str | None = None
    token: str | None = None


def read_pages(
    ctx: Ctx,
    spec: StreamSpec,
    partitions: Sequence[str],
    cursor: Cursor | None,
    window: Window,
    fetch: Callable[[Ask], Answer],
) -> Iterator[Page]:
    """Yield the pages of every partition in turn; only the last one is complete.

    Raises what `fetch` raises, Cancelled and DeadlineNear between pages, and Transient where the
    vendor repeats a page token. In a ``full`` stream the watermark stays unset.
    """
    names = sorted(set(partitions))
    step = spec.granularity
    place = _decode(cursor, _fingerprint(names))
    bound = place.until or _floor(window.until, step)
    if place.watermark is not None:
        bound = max(bound, place.watermark)  # a clock set back must not turn the question around
    place = replace(place, until=bound)
    since = place.watermark - spec.lookback if place.watermark else None
    if not names:
        yield Page((), _encode(_finished(place, spec)), complete=True)
    for name in names[names.index(place.partition) if place.partition in names else 0 :]:
        token = place.token if name == place.partition else None
        for answer in _answers(ctx, Ask(name, since, bound, token), fetch):
            place = replace(
                place,
                partition=name,
                token=_kept(answer.next_token),
                seen=_latest(place.seen, answer.records, bound, step),
            )
            complete = answer.next_token is None and name == names[-1]
            if complete:
                place = _finished(place, spec)
            elif answer.next_token is None:
                place = replace(place, partition=names[names.index(name) + 1])
            yield Page(answer.records, _encode(place), complete, answer.rejected)
            ctx.progress(len(answer.records))


def _answers(ctx: Ctx, ask: Ask, fetch: Callable[[Ask], Answer]) -> Iterator[Answer]:
    """The pages of one partition, restarted at most once where the token has expired."""
    may_restart, used = True, {ask.token}
    while True:
        _heed(ctx)
        try:
            answer = fetch(ask)
        except ResumeTokenExpired as error:
            if ask.token is None or not may_restart:
                raise Transient("The vendor forgets its page tokens while we read.") from error
            ask, may_restart, used = replace(ask, token=None), False, set()
            continue
        yield answer
        if answer.next_token is None:
            return
        if answer.next_token in used:
            raise Transient("The vendor repeats a page token; reading on would never end.")
        used.add(answer.next_token)
        ask = replace(ask, token=answer.next_token)


def _heed(ctx: Ctx) -> None:
    if ctx.cancelled():
        raise Cancelled("The run was asked to stop; it continues after the last page.")
    if ctx.clock.now() >= ctx.deadline:
        raise DeadlineNear("The time of the run is used up; it continues after the last page.")


def _kept(token: str | None) -> str | None:
    return token if token and len(token) <= _LONGEST_TOKEN else None


def _latest(
    seen: datetime | None, records: Sequence[Record], bound: datetime, step: timedelta
) -> datetime | None:
    values = [_floor(item.occurred_at, step) for item in records if item.occurred_at is not None]
    return max([*([seen] if seen else []), *(min(value, bound) for value in values)], default=None)


def _finished(place: _Position, spec: StreamSpec) -> _Position:
    """The cursor between runs: the greatest value seen, never below the watermark before."""
    if spec.mode == "full":
        return _Position(place.partitions)
    known = [value for value in (place.watermark, place.seen) if value is not None]
    return _Position(place.partitions, watermark=max(known, default=None))


def _floor(value: datetime, step: timedelta) -> datetime:
    """`value` in UTC rounded down to the granularity: what is cut off is asked for again."""
    value = value.astimezone(UTC)
    return value - (value - datetime.min.replace(tzinfo=UTC)) % step


def _fingerprint(names: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


def _encode(place: _Position) -> Cursor:
    values: dict[str, str | int | None] = {}
    for key in _Position.__slots__:
        value = getattr(place, key)
        if value is not None:
            values[key] = value.isoformat() if isinstance(value, datetime) else value
    return Cursor(VERSION, values)


def _decode(cursor: Cursor | None, partitions: str) -> _Position:
    """A cursor of another version or of other partitions starts from the beginning."""
    if cursor is None or cursor.version != VERSION or cursor.values.get("partitions") != partitions:
        return _Position(partitions)

    def time(key: str) -> datetime | None:
        value = cursor.values.get(key)
        return datetime.fromisoformat(value) if isinstance(value, str) else None

    def text(key: str) -> str | None:
        value = cursor.values.get(key)
        return value if isinstance(value, str) else None

    return _Position(
        partitions, time("watermark"), time("until"), time("seen"), text("partition"), text("token")
    )
