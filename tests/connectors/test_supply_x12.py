"""The Stonebridge connector: X12 documents read and written, fixtures first."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from connectors import registry
from connectors.sdk import x12
from connectors.sdk.base import DocumentParser, OrderPlacer, RawDocument, Source
from connectors.supply_x12.config import Config
from connectors.supply_x12.mapping import LINE_STATUSES
from connectors.supply_x12.render import render_850
from connectors.supply_x12.streams import read_catalogue
from hub.domain.records import Record
from hub.domain.supply import OrderLine, OrderToPlace, ShipTo
from hub.domain.supply_facts import FACTS_OF, Fact
from hub.domain.supply_ledger import derive
from hub.errors import DataError, Rejected

FIXTURES = Path(__file__).parents[2] / "fixtures" / "supply_x12"
CONFIG = Config(api_key="env:STONEBRIDGE", time_zone="America/Chicago")

connector = registry.load("supply_x12")
assert isinstance(connector, Source)
assert isinstance(connector, DocumentParser)
assert isinstance(connector, OrderPlacer)


SHIP_TO = ShipTo(
    "8831", "Señora Park Clinic * North~", "12 Elm Street", "Springfield", "IL", "62701"
)


def order(number: str = "PO-2026-0002") -> OrderToPlace:
    lines = (
        OrderLine(1, "SB10003", "00614141000074", 10, "CA", Decimal("48"), "Nitrile exam gloves"),
        OrderLine(2, "SB10006", "", 12, "CA", Decimal("21.50")),
    )
    return OrderToPlace(number, date(2026, 3, 2), SHIP_TO, lines)


# Fixtures


def described(found: list[Record] | tuple[Record, ...]) -> list[Any]:
    return [
        {
            "external_id": record.external_id,
            "occurred_at": str(record.occurred_at),
            "type": type(record.data).__name__,
            "data": json.loads(json.dumps(asdict(record.data), default=str)),  # type: ignore[call-overload]
        }
        for record in found
    ]


def read_fixture(case: str) -> Any:
    raw = (FIXTURES / f"{case}.edi").read_bytes()
    if case.startswith("catalogue"):
        page = read_catalogue(raw)
        return {
            "records": described(page.records),
            "issues": [f"{i.code} {i.path}" for r in page.records for i in r.issues],
            "rejected": [
                f"{item.ref} {item.issue.code} {item.issue.path}" for item in page.rejected
            ],
        }
    document = connector.parse(CONFIG, RawDocument(raw, "application/edi-x12"))
    return {
        "records": described(document.records),
        "issues": [f"{issue.code} {issue.path}" for issue in document.issues],
        "ignored": document.ignored,
        "replies": [reply.content.decode().split("~") for reply in document.replies],
    }


CASES = sorted(path.name.removesuffix(".meta.toml") for path in FIXTURES.glob("*.meta.toml"))


@pytest.mark.parametrize("case", [case for case in CASES if not case.startswith("purchase")])
def test_a_fixture_reads_as_expected(case: str) -> None:
    assert read_fixture(case) == json.loads((FIXTURES / f"{case}.expected.json").read_text())


def test_an_order_is_rendered_byte_for_byte() -> None:
    expected = (FIXTURES / "purchase_order_850.edi").read_bytes()
    assert render_850(CONFIG, order(), "key-1") == expected


def test_a_separator_in_an_id_is_refused_with_its_element() -> None:
    with pytest.raises(DataError) as caught:
        render_850(CONFIG, order("PO*1"), "key-1")
    assert caught.value.path == "850 BEG-3"


# Reading documents


def wrap(set_id: str, *segments: str, sender: str = "STONEBRIDGE", at: str = "1200") -> bytes:
    rows = [
        f"ISA*00*{'':10}*00*{'':10}*ZZ*{sender:<15}*ZZ*{'MSOHUB':<15}"
        "*260303*0915*U*00401*000000009*0*P*>",
        f"GS*PR*{sender}*MSOHUB*20260303*{at}*9*X*004010",
        f"ST*{set_id}*0001",
        *segments,
        f"SE*{len(segments) + 2}*0001",
        "GE*1*9",
        "IEA*1*000000009",
    ]
    return "".join(row + "~" for row in rows).encode()


def read(raw: bytes) -> Any:
    return connector.parse(CONFIG, RawDocument(raw, "application/edi-x12"))


def statuses(*acks: str, kind: str = "AC") -> list[str]:
    lines = ("PO1*1*10*CA*48.00*UM*VN*SB1", *acks) if acks else ()
    (record,) = read(wrap("855", f"BAK*00*{kind}*PO-1*20260302", *lines)).records
    return [line.status for line in record.data.lines]


EXPECTED_STATUSES = {
    "accepted": "IA SP AC AR",
    "changed": "IC IP IQ DR",
    "backordered": "IB",
    "substituted": "IS",
    "on_hold": "IE IH IF IW",
    "rejected": "IR R1 R2 R3 R4 R5 R6 R7 R8",
    "cancelled": "ID",
    "unknown": "ZZ",
}


@pytest.mark.parametrize(
    ("code", "status"),
    [(code, status) for status, codes in EXPECTED_STATUSES.items() for code in codes.split()],
)
def test_each_answer_to_a_line_has_its_status(code: str, status: str) -> None:
    assert statuses(f"ACK*{code}*10*CA") == [status]


def test_every_known_code_is_tested() -> None:
    listed = {code for codes in EXPECTED_STATUSES.values() for code in codes.split()}
    assert listed - {"ZZ"} | {"BP"} == set(LINE_STATUSES)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("AE", ["accepted"] * 2),
        ("AK", ["accepted"] * 2),
        ("AT", ["accepted"] * 2),
        ("RJ", ["rejected"] * 2),
        ("RD", ["rejected"] * 2),
        ("AH", ["on_hold"] * 2),
        ("AD", ["requested"] * 2),
        ("XX", ["requested"] * 2),
    ],
)
def test_the_kind_of_acknowledgment_speaks_for_the_lines_not_listed(
    kind: str, expected: list[str]
) -> None:
    (record,) = read(wrap("855", f"BAK*00*{kind}*PO-2026-0002*20260302")).records
    facts = FACTS_OF[type(record.data)](record.data, record.occurred_at)
    assert [line.status for line in derive(order(), facts).lines] == expected


def test_an_answer_in_another_unit_is_not_taken_as_one() -> None:
    document = read(
        wrap("855", "BAK*00*AC*PO-1*20260302", "PO1*1*10*CA*48.00", "ACK*IA*10*EA", "CTT*1")
    )
    assert document.records[0].data.lines[0].status == "unknown"
    assert [issue.code for issue in document.issues] == ["unit_differs"]


def test_the_time_of_a_document_is_in_the_vendors_zone() -> None:
    winter = read(wrap("855", "BAK*00*AK*PO-1*20260302", at="1200"))
    assert winter.records[0].occurred_at == datetime(2026, 3, 3, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    ("set_id", "segments", "path"),
    [
        ("855", ["PO1*1*10*CA"], "BAK"),
        ("855", ["BAK*00*AC*PO-1*20260302", "PO1*x*10*CA"], "PO1-01 at 3"),
        ("855", ["BAK*00*AC*PO-1*20260302", "PO1*1*1.5*CA"], "PO1-02 at 3"),
        ("856", ["BSN*00*S1*20260302", "HL*1**S"], "HL"),
        ("856", ["BSN*00*S1*20260302", "HL*1*2*I", "SN1*1*2*CA", "HL*2*1*P"], "HL 1"),
        ("856", ["BSN*00*S1*20260302", "HL*1**O", "PRF*PO-1", "HL*2*1*I", "LIN*1"], "HL 2"),
        ("810", ["BIG*20260301*I1**PO-1", "IT1*1*2*CA*3"], "TDS"),
        ("810", ["BIG*20260301*I1**PO-1", "IT1*1*2*CA*3", "TDS*6.00"], "TDS-01 at 4"),
        ("810", ["BIG*20260230*I1**PO-1", "TDS*600"], "BIG-01 at 2"),
        ("810", ["BIG*20260201*I1**PO-1***CR", "TDS*600"], "BIG-07 at 2"),
        ("810", ["BIG*20260201*I1**PO-1", "IT1*1*1*CA*1E99", "TDS*600"], "IT1-04 at 3"),
    ],
)
def test_a_set_that_cannot_be_relied_on_is_refused_in_the_997_with_its_place(
    set_id: str, segments: list[str], path: str
) -> None:
    document = read(wrap(set_id, *segments))
    assert document.records == ()
    assert [issue.path for issue in document.issues] == [f"{set_id} 0001: {path}"]
    assert b"AK5*R*5~AK9*R*1*1*0~" in document.replies[0].content


def test_a_withdrawn_ship_notice_takes_its_packs_back() -> None:
    rows = ["HL*1**O", "PRF*PO-2026-0002", "HL*2*1*I", "LIN*1", "SN1*1*10*CA"]
    facts: list[Fact] = []
    for purpose, at in (("00", "1200"), ("01", "1300")):
        (record,) = read(wrap("856", f"BSN*{purpose}*S1*20260303", *rows, at=at)).records
        facts += FACTS_OF[type(record.data)](record.data, record.occurred_at)
        shipped = derive(order(), facts).lines[0].shipped
        assert shipped == (10 if purpose == "00" else 0)


def test_the_same_document_is_answered_by_the_same_997() -> None:
    raw = wrap("855", "BAK*00*AK*PO-1*20260302")
    assert read(raw).replies == read(raw).replies
    (reply,) = x12.interchanges(read(raw).replies[0].content)
    assert (reply.header.sender, reply.header.receiver) == ("MSOHUB", "STONEBRIDGE")
    assert x12.read_acknowledgment(reply.transactions[0]).accepted


def test_each_interchange_of_a_file_is_answered_for_itself() -> None:
    bad, good = wrap("855", "PO1*1"), wrap("855", "BAK*00*AK*PO-1*20260302")
    first, second = read(bad + good).replies
    assert b"AK5*R" in first.content
    assert b"AK5*A" in second.content


def test_a_997_is_never_answered() -> None:
    accepted = read(wrap("997", "AK1*PO*1", "AK9*A*1*1*1").replace(b"GS*PR", b"GS*FA"))
    assert accepted.replies == ()
    assert "accepts" in accepted.ignored


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html></html>",
        wrap("855", "BAK*00*AK*PO-1*20260302")[:-20],
        wrap("855", "BAK*00*AK*PO-1*20260302", sender="SOMEONE"),
        wrap("855", "BAK*00*AK*PO-1*20260302").replace(b"MSOHUB", b"OTHERS"),
    ],
)
def test_a_broken_envelope_or_another_party_is_rejected(raw: bytes) -> None:
    with pytest.raises(Rejected):
        read(raw)


pieces = st.one_of(st.text(alphabet="01459AIBPCROSTHL.-", max_size=8), st.text(max_size=4))


@settings(max_examples=150, deadline=None)
@given(
    set_id=st.sampled_from(["855", "856", "810", "997"]),
    rows=st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "BAK",
                    "PO1",
                    "ACK",
                    "BSN",
                    "HL",
                    "PRF",
                    "SN1",
                    "LIN",
                    "MAN",
                    "BIG",
                    "IT1",
                    "TDS",
                    "SAC",
                    "TXI",
                    "AK1",
                    "AK9",
                ]
            ),
            st.lists(pieces, max_size=6),
        ),
        max_size=8,
    ),
)
def test_whatever_a_set_holds_the_answer_is_a_document_or_a_rejection(
    set_id: str, rows: list[tuple[str, list[str]]]
) -> None:
    try:
        document = read(wrap(set_id, *("*".join([name, *parts]) for name, parts in rows)))
    except Rejected:
        return
    assert document.records or document.issues or document.ignored


def test_settings_are_checked() -> None:
    for bad in ({"time_zone": "Mars/Base"}, {"our_id": "much too long an id"}, {"usage": "X"}):
        with pytest.raises(ValidationError):
            Config(api_key="env:KEY", **bad)


@pytest.mark.parametrize(
    ("segments", "place"),
    [
        (["BCD*20260305*CM1*M*100*D*20260304*IN1***PO-1"], "BCD-05"),
        (["BCD*20260305*CM1*M*100*C*20260304****PO-1"], "BCD-07"),
        (["BCD*20260305*CM1*M*1.00*C*20260304*IN1***PO-1"], "BCD-04"),
        (["BCD*20260305*CM1*M*100*C**IN1***PO-1", "CDD*01*D*1*100"], "CDD-02"),
        (["BCD*20260305*CM1*M*100*C**IN1***PO-1", "CDD*01*C**100***2*CA"], "CDD-03"),
    ],
)
def test_a_credit_that_cannot_be_relied_on_is_refused_with_its_place(
    segments: list[str], place: str
) -> None:
    document = read(wrap("812", *segments))
    assert document.records == ()
    assert place in document.issues[0].path
