"""What every handler of canonical records shares: context, outcome, freshness.

A handler takes ``(session, context, record)`` and returns an `Outcome`. It raises `Rejected` for a
record that cannot be applied and `Deferred` for one that waits for another; `hub.services.apply`
undoes what the handler wrote until then and keeps the reason as an issue.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from hub.domain.content import content_hash
from hub.domain.records import Issue, Record
from hub.domain.sensitivity import label_for_all
from hub.errors import Rejected
from hub.storage.crypto import Crypto
from hub.storage.tables import Labelled, Sourced

T = TypeVar("T")

CENT = Decimal("0.01")
MOST_MONEY = Decimal(10) ** 15


class Outcome(StrEnum):
    """What applying a record did.

    `STALE`: the store knows something newer. `DEFERRED`: it refers to something not known yet and
    is to be applied again later. `REJECTED`: it cannot be applied; an issue says why.
    """

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    STALE = "stale"
    DEFERRED = "deferred"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class ApplyContext:
    """Where a record came from. `practice_id` is None for the MSO's catalogue and orders.

    `received_at` is aware; `zone` is the practice's; `crypto` encrypts embedded files and names
    patients in the audit trail, whose events are of the time `applied_at` (None: when it came).
    `issues` collects what `apply` found and has stored already, for counting.
    """

    practice_id: str | None
    connection_id: str
    inbox_id: str | None
    sync_run_id: str | None
    received_at: datetime
    zone: tzinfo
    crypto: Crypto | None = None
    applied_at: datetime | None = None
    issues: list[Issue] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    """Sensitivity labels of rows that others belong to (patients, visits, orders), by their ids."""
    unsaved: list[dict[str, object]] = field(default_factory=list)
    """Rows of issues that are stored with those of other messages."""

    @property
    def practice(self) -> str:
        """The practice; Rejected where the message could not be routed to one."""
        if self.practice_id is None:
            raise Rejected("The record belongs to no known practice.", reason="unknown_practice")
        return self.practice_id

    def report(self, code: str, path: str, text: str) -> None:
        """Note something an operator should see; `text` names the rule and never a value."""
        self.issues.append(Issue(code, path, text))


class Deferred(Rejected):
    """A record refers to another that is not known yet; the sync applies it again later."""


def digest(record: Record) -> str:
    """The hash by which a repetition of the record is recognised."""
    return content_hash(record.data, record.op, *record.cleared)


class Dated(Protocol):
    """A stored row that knows its content and its time."""

    content_hash: Any
    occurred_at: Any


def judge(row: Dated | None, record: Record, content: str) -> Outcome:
    """What to do with `record` given the stored `row`: `CREATED` or `CHANGED` mean write.

    A repetition that the source states for a later time only moves the row's `occurred_at`, so that
    what happened in between is recognised as stale when it arrives late.
    """
    if row is None:
        return Outcome.CREATED
    stated, stored = record.occurred_at, row.occurred_at
    if row.content_hash == content and not _labels_anew(row, record):
        if stated is not None and stored is not None and stated > stored:
            row.occurred_at = stated
        return Outcome.UNCHANGED
    if stated is not None and stored is not None and stated < stored:
        return Outcome.STALE
    return Outcome.CHANGED


def _labels_anew(row: Dated, record: Record) -> bool:
    if record.sensitivity is None or not isinstance(row, Labelled):
        return False
    return record.sensitivity != row.sensitivity


def label(row: Labelled, context: ApplyContext, record: Record) -> None:
    """Give a written row the label for what its source states and for whom and what it belongs to.
    A source that says nothing leaves the label there is."""
    above = [getattr(row, name, None) for name in _ABOVE]
    row.sensitivity = label_below(context, record, above, row.sensitivity or "")


_ABOVE = ("patient_id", "encounter_id", "order_id")


def label_below(
    context: ApplyContext, record: Record, above: Iterable[str | None], held: str = ""
) -> str:
    """The label for what a source states (`held` where it says nothing) and for each of `above`."""
    stated = held if record.sensitivity is None else record.sensitivity
    return label_for_all([stated, *(context.labels.get(each or "", "") for each in above)])


def stamp(row: Sourced, context: ApplyContext, record: Record, content: str) -> None:
    """Note on a written row where it came from and how fresh it is."""
    row.connection_id = context.connection_id
    row.external_id = record.external_id
    row.content_hash = content
    row.occurred_at = record.occurred_at or row.occurred_at
    row.received_at = context.received_at
    row.inbox_id = context.inbox_id
    if isinstance(row, Labelled):
        label(row, context, record)


def stamps(context: ApplyContext, record: Record, content: str) -> dict[str, Any]:
    """What `stamp` notes, label aside, of a row that is new."""
    return {
        "connection_id": context.connection_id,
        "external_id": record.external_id,
        "content_hash": content,
        "occurred_at": record.occurred_at,
        "received_at": context.received_at,
        "inbox_id": context.inbox_id,
    }


def copy_stated(
    row: object, data: object, names: Iterable[str], cleared: Container[str] = ()
) -> None:
    """Write the fields a source states. None changes nothing, unless the source cleared it."""
    for name in names:
        value = getattr(data, name)
        if value is not None or name in cleared:
            setattr(row, name, value)


def key_of(record: Record) -> str:
    """The source's key; Rejected if it is missing, since every repetition would be a new row."""
    if not record.external_id:
        raise Rejected("The record has no key of its source.", reason="missing_key")
    return record.external_id


def refuse_delete(record: Record) -> None:
    """Raise Rejected for a deletion of something that is kept."""
    if record.op == "delete":
        raise Rejected(
            "The source deleted a record that the hub keeps; end it at the source instead.",
            reason="delete_not_supported",
        )


def content_of(record: Record, kind: type[T]) -> T:
    """The record's data as `kind`."""
    if not isinstance(record.data, kind):
        raise TypeError(f"a record of {kind.__name__} was expected")
    return record.data


def money(amount: Decimal, path: str) -> Decimal:
    """An amount that the store keeps exactly, in whole cents; Rejected otherwise."""
    if not amount.is_finite() or abs(amount) >= MOST_MONEY:
        raise Rejected("An amount is out of range.", reason="amount_range", path=path)
    if amount != amount.quantize(CENT):
        raise Rejected(
            "An amount has more than two decimals.", reason="amount_precision", path=path
        )
    return amount


_WEIGHT = (Outcome.UNCHANGED, Outcome.STALE, Outcome.CHANGED, Outcome.CREATED)


def strongest(outcomes: Iterable[Outcome]) -> Outcome:
    """The outcome of a record that is made of several rows."""
    return max(outcomes, key=_WEIGHT.index, default=Outcome.UNCHANGED)
