"""The streams of Brightwell and how their payloads become records; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from pydantic import ValidationError

from connectors.sdk.base import StreamSpec
from connectors.sdk.incremental import Answer
from connectors.sdk.rows import Issues, read_rows
from connectors.supply_rest.payloads import OfferRow, Terms
from hub.domain.gs1 import gtin14, is_gtin
from hub.domain.records import Record
from hub.domain.supply import Item, Offer, PriceTier, SupplierTerms, TierType
from hub.errors import ContractDrift

TERMS = StreamSpec(name="terms", record=SupplierTerms, mode="full")
OFFERS = StreamSpec(
    name="offers",
    record=Offer,
    mode="incremental",
    cursor_field="updated_at",
    lookback=timedelta(minutes=2),  # the vendor's catalogue is published within a minute
    order="sorted",
    deletes="tombstones",
)
STREAMS = (TERMS, OFFERS)

_TIER_TYPES: Mapping[str, TierType] = {"ALL_UNITS": "all_units", "INCREMENTAL": "incremental"}


def read_terms(payload: Mapping[str, Any]) -> Record:
    """The one record of the stream ``terms``; raises ContractDrift naming the field."""
    try:
        terms = Terms.model_validate(payload)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        path = "$." + ".".join(str(part) for part in fault["loc"])
        raise ContractDrift(
            f"The vendor's terms changed shape at {path}.", reason=fault["type"], path=path
        ) from None  # pydantic's text repeats the input
    rebates = tuple(sorted((rebate.spend_from, rebate.rate) for rebate in terms.spend_rebates))
    data = SupplierTerms(
        min_order=terms.minimum_order,
        shipping_fee=terms.shipping.fee,
        free_shipping_from=terms.shipping.free_from,
        currency=terms.currency,
        rebates=rebates,
    )
    return Record("terms", data)


def read_offers(payload: Mapping[str, Any]) -> Answer:
    """One page of the stream ``offers``; a discontinued offer is a delete."""
    rows = payload.get("data")
    token = payload.get("next_page_token")
    if not isinstance(rows, list):
        raise ContractDrift("The page has no list of offers.", reason="shape", path="$.data")
    if not (token is None or isinstance(token, str)):
        raise ContractDrift(
            "The page's token is no text.", reason="shape", path="$.next_page_token"
        )
    answer = read_rows(rows, OfferRow, _offer, token)
    gone = [row.get("id") for row in rows if isinstance(row, dict) and _is_gone(row)]
    records = tuple(
        replace(record, op="delete") if record.external_id in gone else record
        for record in answer.records
    )
    return replace(answer, records=records)


def _is_gone(row: Mapping[str, Any]) -> bool:
    return row.get("status") == "discontinued"


def _offer(row: OfferRow, issues: Issues) -> Offer:
    product = row.product
    valid = is_gtin(product.gtin)
    if not valid:
        issues.add("gtin_check_digit", "product.gtin", "The GTIN's check digit is wrong.")
    if row.status not in {"active", "discontinued"}:
        issues.add("unknown_value", "status", "The status is not known here; read as active.")
    tiers = sorted((tier.minimum_quantity, tier.unit_price) for tier in row.pricing.tiers)
    return Offer(
        item=Item(
            gtin=gtin14(product.gtin),
            name=product.name,
            category=product.category,
            manufacturer=product.manufacturer,
            manufacturer_part=product.manufacturer_part_number,
            unspsc=product.unspsc_code,
            base_unit=product.base_unit,
            gtin_valid=valid,
        ),
        vendor_part=row.item_number,
        pack_units=row.units_per_pack,
        pack_unit_code=row.unit_of_measure,
        tiers=tuple(PriceTier(0 if packs <= 1 else packs, price) for packs, price in tiers),
        currency=row.currency,
        tier_type=issues.word("pricing.type", row.pricing.type, _TIER_TYPES, "all_units"),
        starts_on=row.valid_from,
        ends_on=row.valid_until,
        max_packs=row.maximum_quantity,
        multiple=row.order_multiple or 1,
    )
