"""The streams of Stonebridge: the 832 price catalogue and the terms; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field, ValidationError

from connectors.sdk import x12
from connectors.sdk.base import StreamSpec
from connectors.sdk.rows import Amount, Exact, Part
from connectors.supply_x12 import elements
from hub.domain.gs1 import gtin14, is_gtin
from hub.domain.records import Issue, Record, RejectedRecord
from hub.domain.supply import Item, Offer, PriceTier, SupplierTerms
from hub.errors import ContractDrift, DataError

TERMS = StreamSpec(name="terms", record=SupplierTerms, mode="full")
OFFERS = StreamSpec(name="offers", record=Offer, mode="full", deletes="snapshot_diff")
STREAMS = (TERMS, OFFERS)

_TIER_PRICES = {"PBQ", "CON", "CTR"}  # CTP02: price from a quantity on, contract price
_EACH = "EA"


class _Freight(Part):
    charge: Annotated[Amount, Field(ge=0)]
    prepaidFrom: Annotated[Amount, Field(ge=0)] | None = None


class _VolumeRebate(Part):
    purchasesFrom: Annotated[Amount, Field(ge=0)]
    percent: Annotated[Exact, Field(ge=0, le=100)]


class _Terms(Part):
    minimumOrder: Annotated[Amount, Field(ge=0)]
    freight: _Freight
    volumeRebates: tuple[_VolumeRebate, ...] = ()
    currency: str


def read_terms(payload: Mapping[str, Any]) -> Record:
    """The one record of the stream ``terms``; raises ContractDrift naming the field."""
    try:
        terms = _Terms.model_validate(payload)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        path = "$." + ".".join(str(part) for part in fault["loc"])
        raise ContractDrift(
            f"The vendor's terms changed shape at {path}.", reason=fault["type"], path=path
        ) from None  # pydantic's text repeats the input
    data = SupplierTerms(
        min_order=terms.minimumOrder,
        shipping_fee=terms.freight.charge,
        free_shipping_from=terms.freight.prepaidFrom,
        currency=terms.currency,
        rebates=tuple(sorted((r.purchasesFrom, r.percent / 100) for r in terms.volumeRebates)),
    )
    return Record("terms", data)


@dataclass
class CataloguePage:
    records: list[Record] = field(default_factory=list)
    rejected: list[RejectedRecord] = field(default_factory=list)


def read_catalogue(content: bytes) -> CataloguePage:
    """The offers of a file with 832 sets. Raises DataError where the envelope is broken."""
    page = CataloguePage()
    for interchange in x12.interchanges(content):
        for transaction in interchange.transactions:
            if transaction.set_id == "832":
                read_832(transaction, page)
    return page


def read_832(transaction: x12.Transaction, page: CataloguePage) -> None:
    """Add every LIN loop of a price catalogue to `page`; an unreadable one is rejected alone."""
    currency = next((s.get(2) for s in transaction.segments if s.id == "CUR"), "USD")
    for loop in _items(transaction.segments):
        parts = elements.products(loop[0], 2)
        ref = parts.get("VN") or parts.get("VP") or parts.get("VC") or ""
        try:
            record = _offer(ref, parts, loop, currency)
        except DataError as error:
            issue = Issue(error.reason, error.path, str(error))
            page.rejected.append(RejectedRecord(ref or error.path, issue, _raw(loop)))
        else:
            page.records.append(record)


def _items(segments: Sequence[x12.Segment]) -> list[list[x12.Segment]]:
    loops: list[list[x12.Segment]] = []
    for segment in segments:
        if segment.id == "LIN":
            loops.append([segment])
        elif loops and segment.id not in {"CTT", "SE"}:
            loops[-1].append(segment)
    return loops


def _raw(loop: Sequence[x12.Segment]) -> bytes:
    marks = loop[0].delimiters
    lines = [marks.element.join([segment.id, *segment.elements]) for segment in loop]
    return (marks.segment.join(lines) + marks.segment).encode()


def _offer(
    ref: str, parts: Mapping[str, str], loop: Sequence[x12.Segment], currency: str
) -> Record:
    if not ref:
        raise elements.fault(loop[0], 3, "must name the vendor's part (VN)", "element_missing")
    issues: list[Issue] = []
    gtin = parts.get("UK") or parts.get("UP") or parts.get("EN") or ""
    if not is_gtin(gtin):
        path = f"LIN at {loop[0].position}"
        issues.append(Issue("gtin_check_digit", path, "The GTIN is missing or its digit is wrong."))
    texts = {s.get(2): s.get(5) for s in loop if s.id == "PID"}
    group = next((s.get(2) for s in loop if s.id == "REF" and s.get(1) == "PG"), "")
    units, pack_code, base_unit = _pack(loop, issues)
    dates = {s.get(1): s for s in loop if s.id == "DTM"}
    item = Item(
        gtin=gtin14(gtin),
        name=texts.get("08") or next(iter(texts.values()), ""),
        category=group,
        manufacturer=next((s.get(2) for s in loop if s.id == "N1" and s.get(1) == "MF"), ""),
        manufacturer_part=parts.get("MG", ""),
        base_unit=base_unit,
        gtin_valid=is_gtin(gtin),
    )
    offer = Offer(
        item=item,
        vendor_part=ref,
        pack_units=units,
        pack_unit_code=pack_code,
        tiers=_tiers(loop, pack_code),
        currency=currency or "USD",
        starts_on=elements.day(dates["196"], 2) if "196" in dates else None,
        ends_on=elements.day(dates["197"], 2) if "197" in dates else None,
    )
    return Record(ref, offer, issues=tuple(issues))


def _pack(loop: Sequence[x12.Segment], issues: list[Issue]) -> tuple[int, str, str]:
    """Base units per priced pack, its unit code and the base unit: PO4 and the prices' CTP05."""
    prices = [s for s in loop if s.id == "CTP" and s.get(2) in _TIER_PRICES]
    code = prices[0].component(5, 1) if prices else ""
    packing = next((s for s in loop if s.id == "PO4"), None)
    if packing is None:
        if code != _EACH:
            path = f"LIN at {loop[0].position}"
            issues.append(Issue("pack_missing", path, "The item has no PO4; read as one each."))
        return 1, code or _EACH, _EACH
    inner = elements.packs(packing, 1) if packing.get(1) else 1
    size = elements.packs(packing, 2) if packing.get(2) else 1
    if inner * size < 1:
        raise elements.fault(packing, 1, "must hold at least one unit", "quantity")
    return inner * size, code or packing.get(4) or _EACH, packing.get(3) or _EACH


def _tiers(loop: Sequence[x12.Segment], pack_code: str) -> tuple[PriceTier, ...]:
    """CTP segments as price breaks; a price without a quantity holds from the first pack."""
    tiers: dict[int, Decimal] = {}
    for segment in loop:
        if segment.id != "CTP" or segment.get(2) not in _TIER_PRICES:
            continue
        if segment.component(5, 1) not in ("", pack_code):
            raise elements.fault(segment, 5, "must price the same unit as the others", "unit")
        start = elements.packs(segment, 4) if segment.get(4) else 0
        price = elements.money(segment, 3)
        if price < 0 or -price.as_tuple().exponent > 2:  # type: ignore[operator]
            raise elements.fault(segment, 3, "must have at most two decimals", "price")
        tiers[0 if start <= 1 else start] = price
    if not tiers:
        raise elements.fault(loop[0], 1, "has no price (CTP)", "price_missing")
    return tuple(PriceTier(packs, price) for packs, price in sorted(tiers.items()))
