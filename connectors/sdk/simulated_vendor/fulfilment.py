"""What a simulated vendor does with an order: confirms, ships and invoices, or falls short.

Faults of an order (`FaultPlan`, `match` is the order route): ``short_ship`` ships half of a line
and backorders the rest, ``price_discrepancy`` invoices a line above the agreed price,
``reject_line`` refuses a line; ``params.line`` is the line number (default: the first line). With
``params.credited`` a credit note follows the invoice and gives back what was asked too much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_UP, Decimal

from connectors.sdk.simulated_vendor.catalogue import VendorOffer
from connectors.sdk.simulator import Fault, FaultPlan

ORDER_FAULTS = ("short_ship", "price_discrepancy", "reject_line")


@dataclass(frozen=True, slots=True)
class OrderedLine:
    number: int
    part: str
    packs: int
    unit_code: str
    price: Decimal


@dataclass(frozen=True, slots=True)
class LineOutcome:
    """`price` is what the vendor agrees to, `invoice_price` what it will ask for."""

    line: OrderedLine
    price: Decimal
    shipped: int
    backordered: int
    rejected: int
    invoice_price: Decimal
    lot: str
    expires_on: date


@dataclass(frozen=True, slots=True)
class Fulfilment:
    """The life of one order; `freight` follows the vendor's own terms."""

    lines: tuple[LineOutcome, ...]
    freight: Decimal
    shipped_on: date
    credits: bool = False

    @property
    def credit(self) -> Decimal:
        """What the vendor gives back afterwards."""
        extra = ((o.invoice_price - o.price) * o.shipped for o in self.lines)
        return sum(extra, Decimal("0.00")) if self.credits else Decimal("0.00")

    @property
    def goods(self) -> Decimal:
        return sum((o.invoice_price * o.shipped for o in self.lines), Decimal("0.00"))

    @property
    def total(self) -> Decimal:
        return self.goods + self.freight


def due_faults(plan: FaultPlan, path: str) -> list[Fault]:
    """The order faults due for this order."""
    faults = [plan.due(path, (kind,)) for kind in ORDER_FAULTS]
    return [fault for fault in faults if fault is not None]


def fulfil(
    lines: Sequence[OrderedLine],
    offers: Mapping[str, VendorOffer],
    faults: Sequence[Fault],
    *,
    today: date,
    fee: Decimal,
    free_from: Decimal,
) -> Fulfilment:
    """The whole life of an order; a price that is no tier becomes tier one's."""
    outcomes = tuple(
        _outcome(line, offers.get(line.part), lines[0], faults, today) for line in lines
    )
    ordered = sum((o.price * o.line.packs for o in outcomes), Decimal("0.00"))
    freight = Decimal("0.00") if ordered >= free_from else fee
    credits = any(fault.params.get("credited") for fault in faults)
    return Fulfilment(outcomes, freight, today + timedelta(days=1), credits)


def _outcome(
    line: OrderedLine,
    offer: VendorOffer | None,
    first: OrderedLine,
    faults: Sequence[Fault],
    today: date,
) -> LineOutcome:
    kinds = {f.kind for f in faults if f.params.get("line", first.number) == line.number}
    prices = [price for _, price in offer.tiers] if offer else [line.price]
    price = line.price if line.price in prices else prices[0]
    sold = offer is not None and offer.active and "reject_line" not in kinds
    rejected = 0 if sold else line.packs
    shipped = 0 if rejected else line.packs
    if "short_ship" in kinds:
        shipped //= 2
    invoice_price = price
    if "price_discrepancy" in kinds:
        invoice_price = (price * Decimal("1.05")).quantize(Decimal("0.01"), ROUND_UP)
    return LineOutcome(
        line=line,
        price=price,
        shipped=shipped,
        backordered=line.packs - shipped - rejected,
        rejected=rejected,
        invoice_price=invoice_price,
        lot=f"L{today:%y%j}{line.number:02d}",
        expires_on=today + timedelta(days=730),
    )
