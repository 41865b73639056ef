"""Where the EHR connector finds that a record is sensitive (ARV, ORC-28, TXA-18, the dialect)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.ehr_hl7v2.config import Config, ValueMaps
from connectors.ehr_hl7v2.parse import parse, restricts
from connectors.sdk.base import RawDocument
from connectors.sdk.hl7v2.lexer import lex

FIXTURES = Path(__file__).parents[2] / "fixtures" / "ehr_hl7v2"
ADT = (FIXTURES / "adt_a04.hl7").read_bytes()
ORU = (FIXTURES / "oru_r01.hl7").read_bytes()
ORC = b"ORC|RE" + b"|" * 27


def labels(raw: bytes, **config: Any) -> dict[str, str | None]:
    """The label of the first record of each kind in a message."""
    found: dict[str, str | None] = {}
    for record in parse(Config(**config), RawDocument(raw)).records:
        found.setdefault(type(record.data).__name__, record.sensitivity)
    return found


def with_arv(*arvs: bytes, raw: bytes = ADT) -> bytes:
    return raw.rstrip(b"\r") + b"\r" + b"\r".join(arvs) + b"\r"


def order_of(label: bytes) -> bytes:
    head, rest = ORU.split(b"\rOBR|", 1)
    return head + b"\r" + ORC + label + b"\rOBR|" + rest


def test_a_message_that_says_nothing_labels_nothing() -> None:
    assert set(labels(ADT).values()) == {None}
    assert set(labels(ORU).values()) == {None}
    assert not restricts(Config(), lex(ADT))


@pytest.mark.parametrize(
    ("arvs", "label"),
    [
        ((b"ARV|1|A|DRG",), "SUD"),
        ((b"ARV|1|A|NO",), ""),
        ((b"ARV|1|A|NO", b"ARV|2|A|HIV"), "HIV"),
        ((b"ARV|1|A|PSY", b"ARV|2|A|HIV"), "R"),
        ((b"ARV|1|D|DRG",), ""),
    ],
)
def test_arv_labels_all_records_but_the_patients_own(arvs: tuple[bytes, ...], label: str) -> None:
    found = labels(with_arv(*arvs))
    assert (found.pop("Patient"), set(found.values())) == (None, {label})
    assert restricts(Config(), lex(with_arv(*arvs))) is (label != "" or b"|D|" in arvs[0])


def test_an_order_s_confidentiality_and_the_message_s_other_one_count_both() -> None:
    found = labels(with_arv(b"ARV|1|A|DRG", raw=order_of(b"HIV")))
    assert found["ObservationReport"] == "R"


def test_an_order_s_confidentiality_labels_its_report_alone() -> None:
    assert labels(order_of(b"ETH"))["ObservationReport"] == "ETH"
    second = order_of(b"ETH").rstrip(b"\r") + b"\rOBR|9|P9|F9|X^Other\rOBX|1|ST|Y^Y||1||||||F\r"
    parsed = parse(Config(), RawDocument(second))
    assert [r.sensitivity for r in parsed.records if type(r.data).__name__ == "ObservationReport"][
        -1
    ] is None


@pytest.mark.parametrize(("sent", "label"), [(b"R", "R"), (b"V", "V"), (b"U", ""), (b"", None)])
def test_a_document_s_confidentiality_labels_it(sent: bytes, label: str | None) -> None:
    raw = (FIXTURES / "mdm_t02.hl7").read_bytes()
    assert raw.count(b"|AU|R|AV") == 1
    sent_raw = raw.replace(b"|AU|R|AV", b"|AU|" + sent + b"|AV")
    assert labels(sent_raw)["ClinicalDocument"] == label


def test_a_code_that_nobody_knows_restricts_and_is_an_issue() -> None:
    parsed = parse(Config(), RawDocument(order_of(b"QQ7")))
    report = next(r for r in parsed.records if type(r.data).__name__ == "ObservationReport")
    assert report.sensitivity == "R"
    assert ("unknown_code", "ORC-28.1") in [(i.code, i.path) for i in report.issues]


def test_a_dialect_says_where_the_label_stands_and_what_codes_mean() -> None:
    programme = {"record.sensitivity": ("=SUD",), "patient.sensitivity": ("=SUD",)}
    assert set(labels(ADT, field=programme).values()) == {"SUD"}
    assert restricts(Config(field=programme), None)
    assert not restricts(Config(), None)
    unit = {"record.sensitivity": ("=SUD when PV1-2 = O",)}
    kind = lex(ADT).value("PV1-2") or ""
    unit = {"record.sensitivity": (f"=SUD when PV1-2 = {kind}",)}
    found = labels(ADT, field=unit)
    assert (found.pop("Patient"), set(found.values())) == (None, {"SUD"})
    own = ValueMaps(sensitivity={"Z1": "SUD", "R": ""})
    assert labels(order_of(b"Z1"), values=own)["ObservationReport"] == "SUD"
    assert labels(order_of(b"R"), values=own)["ObservationReport"] == ""
    with pytest.raises(ValidationError):
        ValueMaps(sensitivity={"Z1": "SECRET"})
