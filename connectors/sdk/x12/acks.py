"""Functional acknowledgments: reads 997 and 999 (005010X231A1), writes 997 (004010 to 005010)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from connectors.sdk.x12.model import Delimiters, Interchange, Segment, Transaction
from connectors.sdk.x12.writer import Draft, Envelope, SegmentDraft, write

_ACCEPTED = frozenset({"A", "E"})  # E: accepted, errors noted


@dataclass(frozen=True, slots=True)
class ElementError:
    """AK4 or IK4 without its copy of the bad value: `code` is AK403 or IK403, places from 1."""

    element: str
    component: str
    code: str


@dataclass(frozen=True, slots=True)
class SegmentError:
    """AK3 or IK3: `position` counts from ST = 1, `code` is AK304 or IK304."""

    segment: str
    position: str
    loop: str
    code: str
    elements: tuple[ElementError, ...] = ()


@dataclass(frozen=True, slots=True)
class SetAcknowledgment:
    """AK2 to AK5 or IK5: what became of one transaction of ours; `codes` follow AK501."""

    set_id: str
    control: str
    status: str
    codes: tuple[str, ...] = ()
    segments: tuple[SegmentError, ...] = ()

    @property
    def accepted(self) -> bool:
        return self.status in _ACCEPTED


@dataclass(frozen=True, slots=True)
class Acknowledgment:
    """A 997 or 999: the group of ours it answers and its verdict (AK901: A, E, P partly, R...)."""

    functional_id: str
    group_control: str
    status: str
    sets: tuple[SetAcknowledgment, ...] = field(default=())

    @property
    def accepted(self) -> bool:
        return self.status in _ACCEPTED and all(item.accepted for item in self.sets)

    def faults(self) -> tuple[str, ...]:
        """Where our document was refused: ``NM1 at 8, element 9 code 7``; no values."""
        found = []
        for item in self.sets:
            for segment in item.segments:
                place = f"{segment.segment} at {segment.position}"
                found += [f"{place}, element {e.element} code {e.code}" for e in segment.elements]
                if not segment.elements:
                    found.append(f"{place}, code {segment.code}")
        return tuple(found)


def read_acknowledgment(transaction: Transaction) -> Acknowledgment:
    """Read a 997 or 999; missing parts stay empty and an empty status is not an acceptance."""
    functional_id = group_control = status = ""
    sets: list[SetAcknowledgment] = []
    for segment in transaction.segments:
        match segment.id:
            case "AK1":
                functional_id, group_control = segment.get(1), segment.get(2)
            case "AK2":
                sets.append(SetAcknowledgment(segment.get(1), segment.get(2), status=""))
            case "AK3" | "IK3" | "AK4" | "IK4" | "AK5" | "IK5" if sets:
                sets[-1] = _add(sets[-1], segment)
            case "AK9":
                status = segment.get(1)
    return Acknowledgment(functional_id, group_control, status, tuple(sets))


def _add(item: SetAcknowledgment, segment: Segment) -> SetAcknowledgment:
    if segment.id in {"AK5", "IK5"}:
        codes = tuple(code for code in segment.elements[1:] if code)
        return replace(item, status=segment.get(1), codes=codes)
    if segment.id in {"AK3", "IK3"}:
        error = SegmentError(segment.get(1), segment.get(2), segment.get(3), segment.get(4))
        return replace(item, segments=(*item.segments, error))
    if not item.segments:
        return item
    places = segment.components(1) or ("",)
    found = ElementError(places[0], places[1] if len(places) > 1 else "", segment.get(3))
    last = replace(item.segments[-1], elements=(*item.segments[-1].elements, found))
    return replace(item, segments=(*item.segments[:-1], last))


def write_997(
    interchange: Interchange,
    *,
    control: int,
    sent_at: datetime,
    rejected: Mapping[tuple[str, str], str] | None = None,
) -> bytes | None:
    """A 997 for every functional group received, sender and receiver exchanged.

    `rejected` maps (GS06, ST02) to an AK502 code (``5``: one or more segments in error). Groups
    that are acknowledgments themselves (FA) are not answered; None if nothing is owed.
    """
    refusals = rejected or {}
    groups: dict[str, list[Transaction]] = {}
    for transaction in interchange.transactions:
        if transaction.group.functional_id != "FA":
            groups.setdefault(transaction.group.control, []).append(transaction)
    if not groups:
        return None
    drafts = [
        Draft("997", f"{number:04d}", _acknowledge(members, refusals))
        for number, members in enumerate(groups.values(), start=1)
    ]
    header = interchange.header
    first = next(iter(groups.values()))[0].group
    envelope = Envelope(
        sender_qualifier=header.receiver_qualifier,
        sender=header.receiver,
        receiver_qualifier=header.sender_qualifier,
        receiver=header.sender,
        control=control,
        group_control=control,
        functional_id="FA",
        version=first.version[:6],
        sent_at=sent_at,
        usage=header.usage or "P",
        group_sender=first.receiver,
        group_receiver=first.sender,
        delimiters=Delimiters(),
    )
    return write(envelope, drafts)


def _acknowledge(
    members: list[Transaction], refusals: Mapping[tuple[str, str], str]
) -> list[SegmentDraft]:
    group = members[0].group
    lines: list[SegmentDraft] = [("AK1", group.functional_id, group.control)]
    refused = 0
    for member in members:
        code = refusals.get((group.control, member.control), "")
        refused += bool(code)
        lines += [("AK2", member.set_id, member.control), ("AK5", "R" if code else "A", code)]
    count = len(members)
    status = "A" if not refused else "R" if refused == count else "P"
    lines.append(("AK9", status, str(count), str(count), str(count - refused)))
    return lines
