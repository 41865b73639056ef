"""Documents Stonebridge pushes to us: X12 bytes to records, and the 997 owed for them; pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from connectors.sdk import x12
from connectors.sdk.base import ParsedDocument, RawDocument
from connectors.supply_x12 import elements
from connectors.supply_x12.config import Config
from connectors.supply_x12.mapping import read_810, read_812, read_855, read_856
from hub.domain.records import Issue, Record
from hub.errors import DataError

READERS: Mapping[str, Callable[[x12.Transaction, datetime], list[Record]]] = {
    "855": read_855,
    "856": read_856,
    "810": read_810,
    "812": read_812,
}
"""The sets read into records; each gets when its group was stated (aware)."""

_NOT_SUPPORTED, _IN_ERROR = "1", "5"  # AK502 (element 718)


@dataclass
class _Found:
    records: list[Record] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    rejected: dict[tuple[str, str], str] = field(default_factory=dict)


def parse(config: Config, document: RawDocument) -> ParsedDocument:
    """Read 855, 856, 810, 812 and 997.

    A set that cannot be read is refused in the 997 and named in an issue; the others count. Raises
    DataError where the envelope is broken or between other parties than the agreement's.
    """
    found, replies = _Found(), []
    for interchange in x12.interchanges(document.content):
        _check_parties(config, interchange.header)
        found.issues += interchange.issues
        found.rejected = {}  # control numbers are unique within an interchange only
        for transaction in interchange.transactions:
            _read(config, transaction, found)
        reply = _acknowledge(interchange, found.rejected)
        if reply is not None:
            replies.append(RawDocument(reply, "application/edi-x12"))
    return ParsedDocument(
        records=tuple(found.records),
        issues=tuple(found.issues),
        ignored="" if found.records or found.issues else " ".join(found.ignored),
        replies=tuple(replies),
    )


def _read(config: Config, transaction: x12.Transaction, found: _Found) -> None:
    found.issues += transaction.issues
    key = (transaction.group.control, transaction.control)
    if transaction.set_id == "997":
        _read_997(transaction, found)
        return
    reader = READERS.get(transaction.set_id)
    if reader is None:
        found.rejected[key] = _NOT_SUPPORTED
        text = "This transaction set is not read here."
        found.issues.append(Issue("set_not_supported", f"ST {transaction.control}", text))
        return
    try:
        at = elements.stated_at(transaction.group, ZoneInfo(config.time_zone))
        records = reader(transaction, at)
    except DataError as error:
        found.rejected[key] = _IN_ERROR
        path = f"{transaction.set_id} {transaction.control}: {error.path}"
        found.issues.append(Issue(error.reason, path, str(error)))
        return
    found.records += records
    found.issues += [issue for record in records for issue in record.issues]


def _read_997(transaction: x12.Transaction, found: _Found) -> None:
    answer = x12.read_acknowledgment(transaction)
    group = f"{answer.functional_id} {answer.group_control}"
    if answer.accepted:
        found.ignored.append(f"The vendor's 997 accepts our group {group}.")
        return
    places = "; ".join(answer.faults()) or "no place named"
    text = f"The vendor's 997 refuses our group: {places}. Correct the order and send it anew."
    found.issues.append(Issue("x12_997_rejected", f"AK1 {group}", text))


def _check_parties(config: Config, header: x12.InterchangeHeader) -> None:
    if header.sender != config.vendor_id or header.sender_qualifier != config.vendor_qualifier:
        raise DataError(
            "The sender is not the vendor of this connection; see vendor_id and vendor_qualifier.",
            reason="other_sender",
            path="ISA-06",
        )
    if header.receiver != config.our_id or header.receiver_qualifier != config.our_qualifier:
        raise DataError(
            "The receiver is not us; see our_id and our_qualifier.",
            reason="other_receiver",
            path="ISA-08",
        )


def _acknowledge(
    interchange: x12.Interchange, rejected: Mapping[tuple[str, str], str]
) -> bytes | None:
    """The 997; the same document gives the same bytes, so that a repeat is seen as one."""
    header = interchange.header
    try:
        sent_at = datetime.strptime(header.date + header.time + "+0000", "%y%m%d%H%M%z")
    except ValueError:
        raise DataError(
            "ISA-09 and ISA-10 must be a date and a time.", reason="date", path="ISA-09"
        ) from None
    control = control_number(f"997:{header.sender}:{header.control}:{header.date}:{header.time}")
    return x12.write_997(interchange, control=control, sent_at=sent_at, rejected=rejected)


def control_number(key: str) -> int:
    """A control number (ISA13, GS06) that is the same whenever the same thing is sent again.

    The hub keeps no counter for this: nine digits of a hash tell repeats from new documents, and
    the vendor finds duplicates by purchase order number besides.
    """
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) % 999_999_999 + 1
