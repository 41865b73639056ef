"""A message at the door, and what of it is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from hub.domain.jobs import Job
from hub.domain.records import Issue
from hub.storage import inbox, queue
from hub.storage.crypto import Crypto
from hub.storage.outbox import Outgoing

State = Literal["received", "ignored", "quarantined", "refused"]

REUSED = Issue(
    "control_id_reused",
    "",
    "The control id was used for another message within seven days; send it under a new id.",
)


OUT_OF_ORDER = Issue(
    "sequence_number", "MSH-13", "The sequence number is not the next one; send those missing."
)

NO_FAULT = Issue("", "", "")


@dataclass(frozen=True, slots=True)
class Numbered:
    """A message with a sequence number. `answer` writes what its sender gets, from whether the
    number is in order and which is expected next."""

    number: int
    answer: Callable[[bool, int], bytes]


@dataclass(slots=True)
class Arrival:
    """One message at the door. Not frozen, which would make it ten times as dear.

    `source` names endpoint and sender; with `control_id` and the body it is the key of duplicates.
    `headers` holds no patient data. `lanes` are up to two plain order keys, stored as keyed
    digests. `answer` is what the sender gets once this is stored; `fault` says why it is not
    `received`, `further` what else keeps it out. `destinations` are the connections an accepted
    message is forwarded to, as it is, to those in `parked` once a person says so; `patients` the
    record numbers of whom it speaks, at most two, by which it is found later.
    `denied` is a fixed text for the audit trail where the sender claims to be another.
    `identity` stands for the content where repetitions are told by less than all of it;
    `accepts_reuse` takes a control id used for another body before, and marks it; `wait` is how
    long the message is left unread, for one whose rest is still to come; `numbered` refuses it
    where its number is not the next one; `trace` is the one its job belongs to.
    """

    kind: Literal["hl7v2", "webhook", "x12"]
    connection_id: str | None
    practice_id: str | None
    source: str
    control_id: str
    message_type: str
    content: bytes
    content_type: str = "application/octet-stream"
    headers: Mapping[str, str] = field(default_factory=dict)
    state: State = "received"
    fault: Issue | None = None
    further: tuple[Issue, ...] = ()
    lanes: tuple[str, ...] = ()
    answer: bytes = b""
    destinations: tuple[str, ...] = ()
    parked: frozenset[str] = frozenset()
    patients: tuple[str, ...] = ()
    denied: str = ""
    identity: bytes = b""
    accepts_reuse: bool = False
    wait: timedelta = timedelta(0)
    numbered: Numbered | None = None
    trace: str = ""


def issues_of(arrival: Arrival, inbox_id: str, now: datetime) -> list[dict[str, Any]]:
    """Rows of `further`: what decides stands with the message, the rest are issues of it."""
    practice_id = arrival.practice_id
    return inbox.issue_rows(arrival.further, now=now, practice_id=practice_id, inbox_id=inbox_id)


def forwarded_of(inbox_id: str, arrival: Arrival) -> Iterator[Outgoing]:
    """An accepted message on its way to each destination, in the commit of its arrival: what goes
    out has the order of what came in."""
    for connection_id in arrival.destinations:
        yield Outgoing(
            connection_id,
            arrival.practice_id,
            arrival.message_type,
            arrival.control_id,
            len(arrival.content),
            inbox_id=inbox_id,
            parked=connection_id in arrival.parked,
        )


def keys_of(crypto: Crypto, arrival: Arrival) -> dict[str, str | None]:
    """What it is ordered and found by, as keyed digests."""
    lanes = [crypto.digest(lane) for lane in arrival.lanes[:2]]
    patients = [inbox.patient_key(crypto, patient) for patient in arrival.patients[:2]]
    first, second, *_ = *lanes, None, None
    patient, prior, *_ = *patients, None, None
    return {"lane": first, "lane2": second, "patient_key": patient, "prior_patient_key": prior}


def job_of(
    inbox_id: str, arrival: Arrival, lanes: Sequence[str | None], now: datetime
) -> queue.NewJob:
    """The job that reads it."""
    return queue.NewJob(
        Job.PROCESS_MESSAGE,
        {"inbox_id": inbox_id},
        practice_id=arrival.practice_id,
        lanes=[lane for lane in lanes if lane is not None],
        run_at=now + arrival.wait if arrival.wait else None,
        unique_key=f"inbox:{inbox_id}",
        trace=arrival.trace,
    )
