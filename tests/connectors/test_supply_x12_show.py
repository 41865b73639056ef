"""What the hub tells of supply transaction sets: 850, 855, 856, 810, 832."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from connectors.sdk import x12
from connectors.supply_x12.config import Config
from connectors.supply_x12.render import render_850
from connectors.supply_x12.show import DESCRIBERS, read_850
from hub.domain.supply import OrderLine, OrderToPlace, ShipTo
from hub.entrypoints.cli.x12 import app, describe

FIXTURES = Path(__file__).parents[2] / "fixtures" / "supply_x12"


def shown(case: str) -> list[dict[str, Any]]:
    return describe((FIXTURES / f"{case}.edi").read_bytes())


def test_an_order_is_read_back_as_it_was_rendered() -> None:
    order = OrderToPlace(
        "PO-1",
        date(2026, 3, 2),
        ShipTo("8831", "Park Clinic", "12 Elm Street", "Springfield", "IL", "62701"),
        (
            OrderLine(1, "SB1", "00614141000074", 10, "CA", Decimal("48.00"), "Gloves"),
            OrderLine(2, "SB2", "", 3, "EA", Decimal("1.25")),
        ),
    )
    raw = render_850(Config(api_key="env:KEY"), order, "key")
    ((transaction,),) = [found.transactions for found in x12.interchanges(raw)]
    assert read_850(transaction) == order


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("purchase_order_850", [("850", "requested")]),
        ("acknowledgement_855", [("855", "accepted_with_changes")]),
        ("exceptions_only_855", [("855", "accepted_with_changes")]),
        ("ship_notice_856", [("856", "shipped"), ("856", "shipped")]),
        ("invoice_810", [("810", "invoiced")]),
        ("catalogue_832", [("832", "read")]),
        ("refusal_997", [("997", "rejected")]),
        ("half_readable", [("855", "accepted"), ("855", "rejected"), ("865", "read")]),
    ],
)
def test_each_set_is_shown_with_its_outcome(case: str, expected: list[tuple[str, str]]) -> None:
    assert [(item["set"], item["outcome"]) for item in shown(case)] == expected


def test_the_canonical_fields_are_shown() -> None:
    (invoice,) = shown("invoice_810")
    assert (invoice["order_number"], invoice["total"]) == ("PO-2026-0002", Decimal("674.30"))
    (catalogue,) = shown("catalogue_832")
    assert [offer.vendor_part for offer in catalogue["offers"]] == ["SB10003", "SB10006"]
    codes = [issue["code"] for issue in catalogue["issues"]]
    assert codes == ["gtin_check_digit", "price_missing", "unit"]


def test_the_command_prints_json() -> None:
    result = CliRunner().invoke(app, ["show", "--json", str(FIXTURES / "invoice_810.edi")])
    assert result.exit_code == 0
    (transaction,) = json.loads(result.stdout)["transactions"]
    assert (transaction["document"], transaction["freight"]) == ("IN000042", "18.50")


@pytest.mark.parametrize("set_id", sorted(DESCRIBERS))
def test_an_empty_set_is_described_and_never_breaks(set_id: str) -> None:
    raw = (FIXTURES / "invoice_810.edi").read_text()
    head, tail = raw.split("BIG*")[0], raw.split("CTT*2~\n")[1]
    (found,) = describe((head + tail).replace("ST*810", f"ST*{set_id}").encode())
    assert found["outcome"] in {"rejected", "read"}


NAMES = [
    "BEG", "N1", "N3", "N4", "PO1", "PID", "BAK", "ACK", "BSN", "HL", "PRF", "SN1", "LIN", "DTM",
    "BIG", "IT1", "TDS", "SAC", "TXI", "CTP", "PO4", "CUR",
]  # fmt: skip
ELEMENTS = st.one_of(st.text(alphabet="0149ABIPQVNUK.->", max_size=8), st.text(max_size=4))


@settings(max_examples=150, deadline=None)
@given(
    set_id=st.sampled_from(sorted(DESCRIBERS)),
    rows=st.lists(st.tuples(st.sampled_from(NAMES), st.lists(ELEMENTS, max_size=9)), max_size=8),
)
def test_whatever_a_set_holds_it_is_described(
    set_id: str, rows: list[tuple[str, list[str]]]
) -> None:
    raw = (FIXTURES / "invoice_810.edi").read_text()
    head, tail = raw.split("BIG*")[0], raw.split("CTT*2~\n")[1]
    body = "".join("*".join([name, *parts]) + "~" for name, parts in rows)
    assert describe((head.replace("ST*810", f"ST*{set_id}") + body + tail).encode())
