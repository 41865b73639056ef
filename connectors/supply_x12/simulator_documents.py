"""What the simulated Stonebridge says: X12 004010 text, built without the connector's own code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from connectors.sdk.simulated_vendor.catalogue import VendorOffer
from connectors.sdk.simulated_vendor.fulfilment import Fulfilment, LineOutcome, OrderedLine
from hub.domain.gs1 import check_digit


@dataclass(frozen=True, slots=True)
class Parties:
    """ISA06 and ISA08 of the vendor's own documents; both qualifiers are ZZ."""

    vendor: str = "STONEBRIDGE"
    customer: str = "MSOHUB"


@dataclass(frozen=True, slots=True)
class ReceivedOrder:
    """An 850 as the vendor reads it. `group` and `transaction` are our GS06 and ST02."""

    number: str
    ordered_on: str
    account: str
    ship_to: str
    lines: tuple[OrderedLine, ...]
    group: str
    transaction: str


def interchange(
    parties: Parties, kind: str, set_id: str, control: int, at: datetime, lines: Sequence[str]
) -> bytes:
    """ISA to IEA around one set; `lines` are its segments between ST and SE."""
    isa = (
        f"ISA*00*{'':10}*00*{'':10}*ZZ*{parties.vendor:<15}*ZZ*{parties.customer:<15}"
        f"*{at:%y%m%d}*{at:%H%M}*U*00401*{control:09d}*0*P*>"
    )
    gs = f"GS*{kind}*{parties.vendor}*{parties.customer}*{at:%Y%m%d}*{at:%H%M%S}*{control}*X*004010"
    body = [f"ST*{set_id}*0001", *lines, f"SE*{len(lines) + 2}*0001"]
    tail = [f"GE*1*{control}", f"IEA*1*{control:09d}"]
    return "".join(f"{line}~\n" for line in [isa, gs, *body, *tail]).encode()


def read_850(content: bytes) -> ReceivedOrder | None:
    """The vendor's own plain reading of an order; None where a needed segment is missing."""
    text = content.decode("utf-8", "replace")
    if not text.startswith("ISA") or len(text) < 106:
        return None
    rows = [row.strip().split(text[3]) for row in text.split(text[105]) if row.strip()]
    found = {row[0]: row for row in reversed(rows)}
    if not {"GS", "ST", "BEG", "N1", "PO1", "IEA"} <= found.keys() or found["ST"][1] != "850":
        return None
    lines = []
    for row in rows:
        if row[0] == "PO1":
            parts = dict(zip(row[6::2], row[7::2], strict=False))
            lines.append(
                OrderedLine(int(row[1]), parts["VN"], int(row[2]), row[3], Decimal(row[4]))
            )
    return ReceivedOrder(
        number=found["BEG"][3],
        ordered_on=found["BEG"][5],
        account=found["N1"][4],
        ship_to=found["N1"][2],
        lines=tuple(lines),
        group=found["GS"][6],
        transaction=found["ST"][2],
    )


def catalogue(offers: Sequence[VendorOffer], today: date) -> list[str]:
    """The segments of an 832 with its price breaks as CTP*PBQ."""
    lines = [f"BCT*PS*{today:%Y%m}*1", f"DTM*007*{today:%Y%m%d}", "CUR*SE*USD"]
    for number, offer in enumerate(offers, start=1):
        supply = offer.supply
        lines += [
            f"LIN*{number}*VN*{offer.vendor_part}*UK*{supply.gtin}*MG*{supply.part}",
            f"DTM*196*{offer.starts_on:%Y%m%d}",
            f"REF*PG*{supply.category}",
            f"PID*F*08***{supply.name}",
            f"PO4*{offer.pack_units}*1*EA",
            *(f"CTP**PBQ*{price}*{packs}*{offer.pack_code}" for packs, price in offer.tiers),
            f"N1*MF*{supply.manufacturer}",
        ]
    return [*lines, f"CTT*{len(offers)}"]


def functional_acknowledgment(order: ReceivedOrder, *, accepted: bool) -> list[str]:
    verdict = "A" if accepted else "R"
    return [
        f"AK1*PO*{order.group}",
        f"AK2*850*{order.transaction}",
        f"AK5*{verdict}" + ("" if accepted else "*5"),
        f"AK9*{verdict}*1*1*{int(accepted)}",
    ]


def acknowledgement(order: ReceivedOrder, count: int, plan: Fulfilment, today: date) -> list[str]:
    """The 855; a line that falls short has two ACK segments."""
    short = any(outcome.shipped != outcome.line.packs for outcome in plan.lines)
    kind = "AC" if short else "AD"
    lines = [f"BAK*00*{kind}*{order.number}*{order.ordered_on}****SO{count:06d}*{today:%Y%m%d}"]
    for outcome in plan.lines:
        line = outcome.line
        priced = "IP" if outcome.price != line.price else "IA"
        lines.append(
            f"PO1*{line.number}*{line.packs}*{line.unit_code}*{outcome.price}*UM*VN*{line.part}"
        )
        for code, packs in (
            (priced, outcome.shipped),
            ("IB", outcome.backordered),
            ("IR", outcome.rejected),
        ):
            if packs:
                lines.append(f"ACK*{code}*{packs}*{line.unit_code}")
    return [*lines, f"CTT*{len(plan.lines)}"]


def ship_notice(order: ReceivedOrder, count: int, plan: Fulfilment, at: datetime) -> list[str]:
    """The 856: shipment, order, one carton, its items; the carton's loop comes after its items."""
    stem = f"00614141{count:09d}"
    sscc = stem + str(check_digit(stem))
    shipped = [outcome for outcome in plan.lines if outcome.shipped]
    lines = [
        f"BSN*00*SN{count:06d}*{at:%Y%m%d}*{at:%H%M}*0001",
        "HL*1**S",
        "TD5*B*2*NLFR*M*Northline Freight",
        f"REF*CN*NL8{count:08d}",
        f"DTM*011*{plan.shipped_on:%Y%m%d}",
        "HL*2*1*O",
        f"PRF*{order.number}***{order.ordered_on}",
    ]
    for number, outcome in enumerate(shipped, start=4):
        lines += _item(number, outcome)
    return [*lines, "HL*3*2*P", f"MAN*GM*{sscc}", f"CTT*{len(shipped) + 3}"]


def _item(number: int, outcome: LineOutcome) -> list[str]:
    line = outcome.line
    return [
        f"HL*{number}*3*I",
        f"LIN*{line.number}*VN*{line.part}",
        f"SN1*{line.number}*{outcome.shipped}*{line.unit_code}",
        f"REF*LT*{outcome.lot}",
        f"DTM*036*{outcome.expires_on:%Y%m%d}",
    ]


def invoice(order: ReceivedOrder, count: int, plan: Fulfilment, today: date) -> list[str]:
    """The 810; TDS01 and SAC05 carry no point."""
    shipped = [outcome for outcome in plan.lines if outcome.shipped]
    dated = today + timedelta(days=1)
    lines = [f"BIG*{dated:%Y%m%d}*IN{count:06d}*{order.ordered_on}*{order.number}", "CUR*SE*USD"]
    for outcome in shipped:
        line = outcome.line
        lines.append(
            f"IT1*{line.number}*{outcome.shipped}*{line.unit_code}*{outcome.invoice_price}"
            f"**VN*{line.part}"
        )
    lines.append(f"TDS*{_n2(plan.total)}")
    if plan.freight:
        lines.append(f"SAC*C*D240***{_n2(plan.freight)}")
    return [*lines, f"CTT*{len(shipped)}"]


def credit(order: ReceivedOrder, count: int, plan: Fulfilment, today: date) -> list[str]:
    """The 812; what was asked too much is given back, no goods come back."""
    dated, invoiced = today + timedelta(days=2), today + timedelta(days=1)
    amount = _n2(plan.credit)
    return [
        f"BCD*{dated:%Y%m%d}*CM{count:06d}*M*{amount}*C*{invoiced:%Y%m%d}*IN{count:06d}"
        f"**{order.ordered_on}*{order.number}",
        "CUR*SE*USD",
        f"CDD*01*C*1*{amount}",
    ]


def _n2(amount: Decimal) -> str:
    return str(int(amount * 100))
