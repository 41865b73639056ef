"""What one supply transaction set means, for people and for `mso-hub x12 show`; pure.

Times are read as UTC where no agreement says which zone the sender means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any
from zoneinfo import ZoneInfo

from connectors.sdk import x12
from connectors.supply_x12 import elements
from connectors.supply_x12.parse import READERS
from connectors.supply_x12.streams import CataloguePage, read_832
from hub.domain.records import Issue, Record
from hub.domain.supply import OrderAcknowledged, OrderLine, OrderShipped, OrderToPlace, ShipTo
from hub.errors import DataError


@dataclass(frozen=True, slots=True)
class Description:
    """An outcome in one word, the canonical fields, and what looks wrong."""

    outcome: str
    canonical: Mapping[str, Any]
    issues: tuple[Issue, ...] = ()


def describe_order(transaction: x12.Transaction) -> list[Description]:
    """An 850 as the order it places."""
    return _guarded(transaction, lambda: [_described("requested", read_850(transaction))])


def describe_answer(transaction: x12.Transaction) -> list[Description]:
    """An 855, 856 or 810; one description per purchase order."""

    def read() -> list[Description]:
        at = elements.stated_at(transaction.group, ZoneInfo("UTC"))
        records = READERS[transaction.set_id](transaction, at)
        return [_described(_outcome(record), record.data, record.issues) for record in records]

    return _guarded(transaction, read)


def describe_catalogue(transaction: x12.Transaction) -> list[Description]:
    """An 832 as its offers; what could not be read is an issue."""
    page = CataloguePage()
    read_832(transaction, page)
    issues = [issue for record in page.records for issue in record.issues]
    issues += [rejected.issue for rejected in page.rejected]
    canonical = {"offers": [record.data for record in page.records]}
    return [Description("read", canonical, (*transaction.issues, *issues))]


DESCRIBERS: Mapping[str, Callable[[x12.Transaction], list[Description]]] = {
    "850": describe_order,
    "855": describe_answer,
    "856": describe_answer,
    "810": describe_answer,
    "832": describe_catalogue,
}


def read_850(transaction: x12.Transaction) -> OrderToPlace:
    """A purchase order. Raises DataError naming segment and element."""
    segments = transaction.segments
    header = elements.first(segments, "BEG", "850")
    party = next((s for s in segments if s.id == "N1" and s.get(1) == "ST"), None)
    if party is None:
        raise DataError("The 850 has no ship-to.", reason="segment_missing", path="N1")
    following = segments[segments.index(party) :]
    street, city = elements.first(following, "N3", "850"), elements.first(following, "N4", "850")
    lines: list[OrderLine] = []
    for segment in segments:
        if segment.id == "PO1":
            lines.append(_order_line(segment, segments))
    return OrderToPlace(
        number=elements.required(header, 3),
        ordered_on=elements.day(header, 5),
        ship_to=ShipTo(
            account=party.get(4),
            name=party.get(2),
            line1=street.get(1),
            city=city.get(1),
            state=city.get(2),
            postal_code=city.get(3),
            country=city.get(4) or "US",
        ),
        lines=tuple(lines),
        currency=next((s.get(2) for s in segments if s.id == "CUR"), "") or "USD",
    )


def _order_line(line: x12.Segment, segments: tuple[x12.Segment, ...]) -> OrderLine:
    parts = elements.products(line, 6)
    after = segments[segments.index(line) + 1]  # SE at the latest
    return OrderLine(
        number=elements.line_number(line, 1),
        vendor_part=parts.get("VN") or parts.get("VP") or parts.get("VC") or "",
        gtin=parts.get("UK", ""),
        packs=elements.packs(line, 2),
        unit_code=line.get(3),
        price=elements.money(line, 4),
        description=after.get(5) if after.id == "PID" else "",
    )


def _described(outcome: str, data: Any, issues: tuple[Issue, ...] = ()) -> Description:
    return Description(outcome, {f.name: getattr(data, f.name) for f in fields(data)}, issues)


def _outcome(record: Record) -> str:
    if isinstance(record.data, OrderAcknowledged):
        said = {line.status for line in record.data.lines}
        if record.data.silent_lines_accepted:
            said.add("accepted")
        return said.pop() if len(said) == 1 else "accepted_with_changes" if said else "unknown"
    return "shipped" if isinstance(record.data, OrderShipped) else "invoiced"


def _guarded(
    transaction: x12.Transaction, read: Callable[[], list[Description]]
) -> list[Description]:
    try:
        found = read()
    except DataError as error:
        issue = Issue(error.reason, error.path, str(error))
        return [Description("rejected", {}, (*transaction.issues, issue))]
    first = found[0]
    whole = Description(first.outcome, first.canonical, (*transaction.issues, *first.issues))
    return [whole, *found[1:]]
