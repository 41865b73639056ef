"""The subscriptions: which changes each tells of, and the row it lets the caller read.

An event carries ids only. Its row is read when the event is delivered, through the same planner as
every query and under the rights of that moment; a row that may not be read makes no event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from hub.errors import Rejected
from hub.storage.reads.write import read_global_id, timestamp
from schema.mapping.operation import Operation
from schema.mapping.plan import Planner
from schema.mapping.types import TypeMaker

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Subscription:
    """`topic` as the events table names it; the event has the row under `field`. `argument` narrows
    it to the rows of one `of`; `by_row` where that is the row itself."""

    name: str
    topic: str
    type_name: str
    field: str
    argument: str
    of: str
    by_row: bool = False
    help: str = ""

    @property
    def event_type(self) -> str:
        return f"{self.type_name}Event"


@dataclass(frozen=True, slots=True)
class Change:
    """One event: its number, the row it is about, and when the row changed."""

    sequence: int
    row_id: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a subscriber asked for: a topic, narrowed, from after a number on (None: from now)."""

    topic: str
    row_id: str | None
    parent_id: str | None
    after: int | None


class Run(Protocol):
    """What an operation under way offers here."""

    @property
    def operation(self) -> Operation: ...
    @property
    def planner(self) -> Planner: ...
    def read_payload(self, parts: Mapping[str, Any]) -> Json: ...


SUBSCRIPTIONS = (
    Subscription(
        "inboundMessages",
        "inbound_message",
        "InboundMessage",
        "message",
        "connectionId",
        "Connection",
        help="A message arrived, or was processed, ignored, quarantined or refused.",
    ),
    Subscription(
        "syncProgress",
        "sync_run",
        "SyncRun",
        "run",
        "connectionId",
        "Connection",
        help="A run of a stream began, applied a page or ended.",
    ),
    Subscription(
        "jobProgress",
        "job",
        "Job",
        "job",
        "jobId",
        "Job",
        by_row=True,
        help="A job was added, began, got on, ended or will be tried again; jobs that process or "
        "acknowledge messages, prune or anchor are left out.",
    ),
    Subscription(
        "purchaseOrderChanged",
        "purchase_order",
        "PurchaseOrder",
        "order",
        "roundId",
        "PurchasingRound",
        help="An order was placed, sent, confirmed, shipped, invoiced or asked to be cancelled.",
    ),
    Subscription(
        "emergencyAccessChanged",
        "emergency_access",
        "EmergencyAccess",
        "access",
        "patientId",
        "Patient",
        help="Labelled records of a patient were opened in an emergency, or that ended or was "
        "reviewed: for the owner and the privacy officer of the practice.",
    ),
)
BY_NAME = {item.name: item for item in SUBSCRIPTIONS}
AFTER = "Only events after the one of this `id`; without it, those from now on."


def make_subscriptions(maker: TypeMaker) -> type:
    """The Subscription type and the type of each event."""
    roots = []
    for item in SUBSCRIPTIONS:
        maker.make(
            item.event_type,
            [
                maker.field("id", "ID", "Pass it as `after` to go on from here."),
                maker.field("recordedAt", "DateTime"),
                maker.field(item.field, item.type_name),
            ],
        )
        arguments = [
            maker.argument(item.argument, "ID | None"),
            maker.argument("after", "ID | None", description=AFTER),
        ]
        roots.append(maker.field(item.name, item.event_type, item.help, arguments))
    return maker.make("Subscription", roots)


def wanted(operation: Operation) -> Wanted:
    """What a subscription operation asks for. Raises Rejected."""
    [nodes] = operation.roots.values()
    item = BY_NAME.get(nodes[0].name.value)
    if item is None:
        raise Rejected("Subscribe to one of the hub's subscriptions.")
    arguments = operation.arguments(operation.root_type.name, nodes[0])
    after = arguments.get("after")
    if after is not None and not (after.isascii() and after.isdigit() and len(after) < 19):
        raise Rejected("`after` must be the id of an event.", path="after")
    row_id = _narrowed(arguments.get(item.argument), item.of)
    return Wanted(
        item.topic,
        row_id if item.by_row else None,
        None if item.by_row else row_id,
        None if after is None else int(after),
    )


def _narrowed(global_id: str | None, type_name: str) -> str | None:
    """A row id; one that cannot be read is of no row and matches no event."""
    if global_id is None:
        return None
    found = read_global_id(global_id)
    return found[1] if found is not None and found[0] == type_name else ""


def event_data(run: Run, change: Change) -> Json | None:
    """The `data` of one event, or None if its row may not be read."""
    [(key, nodes)] = run.operation.roots.items()
    item = BY_NAME[nodes[0].name.value]
    selected = run.operation.below(item.event_type, nodes)
    facts = {
        "__typename": item.event_type,
        "id": str(change.sequence),
        "recordedAt": timestamp(change.recorded_at),
    }
    # the row is asked for even where the document does not: without it there is no event
    parts = {"": run.planner.by_id("", item.type_name, change.row_id, [])}
    for name, fields in selected.items():
        if fields[0].name.value == item.field:
            parts[name] = run.planner.by_id(name, item.type_name, change.row_id, fields)
    read = run.read_payload(parts)
    if read.pop("") is None:
        return None
    written = {
        name: read[name] if name in read else facts[fields[0].name.value]
        for name, fields in selected.items()
    }
    return {key: written}
