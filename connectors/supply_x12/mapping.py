"""The sets 855, 856, 810 and 812 (X12 004010) to canonical records; pure.

Each function takes one transaction and when its group was stated, and gives records with the issues
found in them. Raises DataError naming segment and element where the set cannot be relied on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from connectors.sdk.x12 import Segment, Transaction
from connectors.supply_x12 import elements
from hub.domain.gs1 import is_sscc
from hub.domain.records import Issue, Record
from hub.domain.supply import (
    AckLine,
    CreditLine,
    InvoiceLine,
    LineStatus,
    OrderAcknowledged,
    OrderCredited,
    OrderInvoiced,
    OrderShipped,
    ShipmentLine,
)
from hub.errors import DataError

_REJECTED = ("IR", "R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8")
LINE_STATUSES: Mapping[str, tuple[LineStatus, str]] = {
    "IA": ("accepted", ""),
    "IC": ("changed", "changes made"),
    "IP": ("changed", "price changed"),
    "IQ": ("changed", "quantity changed"),
    "DR": ("changed", "date changed"),
    "IB": ("backordered", ""),
    "BP": ("accepted", "part ships, the rest is backordered"),
    "IS": ("substituted", ""),
    "SP": ("accepted", "date pending"),
    "IE": ("on_hold", "price pending"),
    "IH": ("on_hold", ""),
    "IF": ("on_hold", "information missing"),
    "IW": ("on_hold", "waiver required"),
    "ID": ("cancelled", "deleted by the vendor"),
    "AC": ("accepted", "shipped in part or whole"),
    "AR": ("accepted", "released for shipment"),
    **dict.fromkeys(_REJECTED, ("rejected", "")),
}
"""ACK01 (element 668) to the status of a line and what it adds in words."""

SILENT_LINES: Mapping[str, LineStatus | None] = {
    "AC": None,
    "AD": None,
    "AE": "accepted",
    "AK": "accepted",
    "AT": "accepted",
    "AH": "on_hold",
    "RD": "rejected",
    "RJ": "rejected",
}
"""BAK02 (element 587) to the status of the lines the 855 does not list; None: nothing is said."""

_FREIGHT = {"D240", "D244", "D246"}  # SAC02: freight and two of its kinds
_CREDITS = {"CR", "CN", "CM"}  # BIG07


def read_855(transaction: Transaction, at: datetime) -> list[Record]:
    """Purchase order acknowledgment: one record."""
    header = elements.first(transaction.segments, "BAK", "855")
    order_number = elements.required(header, 3)
    issues: list[Issue] = []
    lines: list[AckLine] = []
    for start, *rest in _loops(transaction.segments, {"PO1"}, end={"CTT", "SE"}):
        lines += _ack_lines(start, [s for s in rest if s.id == "ACK"], issues)
    kind = elements.required(header, 2)
    if kind not in SILENT_LINES:
        issues.append(_issue("unknown_code", header, 2, "The kind of acknowledgment is not known."))
    silent = SILENT_LINES.get(kind)
    if silent not in (None, "accepted"):
        lines.append(AckLine(0, silent))
    document = f"{transaction.group.control}-{transaction.control}"
    data = OrderAcknowledged(order_number, document, tuple(lines), silent == "accepted")
    return [Record(f"{order_number}/855-{document}", data, at, issues=tuple(issues))]


def _ack_lines(line: Segment, answers: list[Segment], issues: list[Issue]) -> list[AckLine]:
    number = elements.line_number(line, 1)
    price = elements.money(line, 4) if line.get(4) else None
    if not answers:  # listed without an ACK: accepted as it stands
        return [AckLine(number, "accepted", elements.packs(line, 2), price)]
    found: list[AckLine] = []
    for answer in answers:
        code = elements.required(answer, 1)
        status, note = LINE_STATUSES.get(code, ("unknown", ""))
        if status == "unknown":
            issues.append(_issue("unknown_code", answer, 1, "The line's status is not known."))
        if answer.get(3) and answer.get(3) != line.get(3):
            issues.append(_issue("unit_differs", answer, 3, "The unit is not the ordered one."))
            status = "unknown"
        quantity = elements.packs(answer, 2) if answer.get(2) else None
        found.append(AckLine(number, status, quantity, price, note))
        if code == "BP":
            found.append(AckLine(number, "backordered", None, price, note))
    return found


@dataclass
class _Level:
    """One HL loop of an 856."""

    id: str
    parent: str
    code: str
    segments: list[Segment] = field(default_factory=list)

    def get(self, name: str, qualifier: str = "") -> Segment | None:
        for segment in self.segments:
            if segment.id == name and qualifier in ("", segment.get(1)):
                return segment
        return None


def read_856(transaction: Transaction, at: datetime) -> list[Record]:
    """Ship notice: one record per purchase order, items found by their parents' ids."""
    header = elements.first(transaction.segments, "BSN", "856")
    document = elements.required(header, 2)
    withdrawn = header.get(1) == "01"
    levels = {
        start.get(1): _Level(start.get(1), start.get(2), start.get(3), rest)
        for start, *rest in _loops(transaction.segments, {"HL"}, end={"CTT", "SE"})
    }
    issues: list[Issue] = []
    by_order: dict[str, list[ShipmentLine]] = {}
    for level in levels.values():
        _check_sscc(level, issues)
        if level.code == "I":
            line = _shipment_line(level, withdrawn=withdrawn)
            by_order.setdefault(_order_of(level, levels), []).append(line)
    if not by_order:
        raise DataError("The 856 has no item.", reason="segment_missing", path="HL")
    shipped = next((s for s in transaction.segments if s.id == "DTM" and s.get(1) == "011"), None)
    carrier = next((s for s in transaction.segments if s.id == "TD5"), None)
    tracking = next(
        (s for s in transaction.segments if s.id == "REF" and s.get(1) in {"CN", "2I"}), None
    )
    return [
        Record(
            f"{order_number}/856-{document}",
            OrderShipped(
                order_number=order_number,
                document=document,
                lines=tuple(lines),
                shipped_on=elements.day(shipped, 2) if shipped else None,
                carrier=(carrier.get(5) or carrier.get(3)) if carrier else "",
                tracking_number=tracking.get(2) if tracking else "",
            ),
            at,
            issues=tuple(issues) if position == 0 else (),  # they concern the notice as a whole
        )
        for position, (order_number, lines) in enumerate(by_order.items())
    ]


def _order_of(level: _Level, levels: Mapping[str, _Level]) -> str:
    """The purchase order number (PRF01) of the nearest level above, whatever the order of loops."""
    seen: set[str] = set()
    place: _Level | None = level
    while place is not None and place.id not in seen:
        reference = place.get("PRF")
        if reference is not None:
            return elements.required(reference, 1)
        seen.add(place.id)
        place = levels.get(place.parent)
    raise DataError("An item has no order above it.", reason="hierarchy", path=f"HL {level.id}")


def _shipment_line(level: _Level, *, withdrawn: bool) -> ShipmentLine:
    quantity, product = level.get("SN1"), level.get("LIN")
    if quantity is None:
        raise DataError("An item has no SN1.", reason="segment_missing", path=f"HL {level.id}")
    numbered = quantity if quantity.get(1) or product is None else product
    lot, expiry = level.get("REF", "LT"), level.get("DTM", "036")
    return ShipmentLine(
        number=elements.line_number(numbered, 1),
        packs=0 if withdrawn else elements.packs(quantity, 2),
        lot=lot.get(2) if lot else "",
        expires_on=elements.day(expiry, 2) if expiry else None,
    )


def _check_sscc(level: _Level, issues: list[Issue]) -> None:
    mark = level.get("MAN", "GM")
    if mark is not None and not is_sscc(mark.get(2)):
        issues.append(_issue("sscc_check_digit", mark, 2, "The SSCC's check digit is wrong."))


def read_810(transaction: Transaction, at: datetime) -> list[Record]:
    """Invoice: one record; freight and taxes apart, other charges less allowances in one sum."""
    header = elements.first(transaction.segments, "BIG", "810")
    if header.get(7) in _CREDITS:
        raise elements.fault(header, 7, "names a credit; send it as an 812", "credit")
    document, order_number = elements.required(header, 2), elements.required(header, 4)
    currency = next((s.get(2) for s in transaction.segments if s.id == "CUR"), "USD")
    total = elements.first(transaction.segments, "TDS", "810")
    freight = tax = other = Decimal("0.00")
    for segment in transaction.segments:
        if segment.id == "TXI":
            tax += elements.money(segment, 2)
        elif segment.id == "SAC" and segment.get(1) in {"C", "A"}:
            amount = elements.money_n2(segment, 5)
            if segment.get(1) == "C" and segment.get(2) in _FREIGHT:
                freight += amount
            else:
                other += amount if segment.get(1) == "C" else -amount
    data = OrderInvoiced(
        order_number=order_number,
        document=document,
        invoiced_on=elements.day(header, 1),
        lines=tuple(
            InvoiceLine(
                elements.line_number(line, 1), elements.packs(line, 2), elements.money(line, 4)
            )
            for line in transaction.segments
            if line.id == "IT1"
        ),
        total=elements.money_n2(total, 1),
        freight=freight,
        tax=tax,
        currency=currency or "USD",
        other_charges=other,
    )
    return [Record(f"{order_number}/810-{document}", data, at)]


def read_812(transaction: Transaction, at: datetime) -> list[Record]:
    """Credit adjustment of an invoice: one record, its amount and the packs it speaks of.

    A debit is refused: what a vendor wants more is an invoice of its own.
    """
    header = elements.first(transaction.segments, "BCD", "812")
    document, invoice = elements.required(header, 2), elements.required(header, 7)
    order_number = elements.required(header, 10)
    lines: list[CreditLine] = []
    for segment in (header, *(s for s in transaction.segments if s.id == "CDD")):
        flag = 5 if segment is header else 2
        if elements.required(segment, flag) != "C":
            raise elements.fault(segment, flag, "is no credit; send a debit as an 810", "debit")
        if segment is not header and segment.get(7):
            number = elements.line_number(segment, 3)
            lines.append(CreditLine(number, elements.packs(segment, 7)))
    currency = next((s.get(2) for s in transaction.segments if s.id == "CUR"), "USD")
    data = OrderCredited(
        order_number=order_number,
        document=document,
        invoice=invoice,
        credited_on=elements.day(header, 1),
        lines=tuple(lines),
        total=elements.money_n2(header, 4),
        currency=currency or "USD",
    )
    return [Record(f"{order_number}/812-{document}", data, at)]


def _loops(
    segments: Sequence[Segment], starts: set[str], end: set[str]
) -> list[tuple[Segment, *tuple[Segment, ...]]]:
    """The loops that begin with one of `starts`, each with the segments up to the next or `end`."""
    found: list[list[Segment]] = []
    inside = False
    for segment in segments:
        if segment.id in starts:
            found.append([segment])
            inside = True
        elif segment.id in end:
            inside = False
        elif inside:
            found[-1].append(segment)
    return [(loop[0], *loop[1:]) for loop in found]


def _issue(code: str, segment: Segment, number: int, text: str) -> Issue:
    return Issue(code, f"{segment.id}-{number:02d} at {segment.position}", text)
