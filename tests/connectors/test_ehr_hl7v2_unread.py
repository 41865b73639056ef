"""What nobody reads of a message is named on it, by tables that say what the mapping does."""

from __future__ import annotations

import re
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from connectors.ehr_hl7v2 import unread
from connectors.ehr_hl7v2.config import Config, ValueMaps
from connectors.ehr_hl7v2.connector import connector
from connectors.sdk.base import RawDocument
from connectors.sdk.hl7v2.lexer import Segment
from connectors.sdk.hl7v2.paths import Steps
from hub.errors import Rejected

FIXTURES = Path(__file__).parents[2] / "fixtures" / "ehr_hl7v2"
CONTENTS = {path.stem: path.read_bytes() for path in sorted(FIXTURES.glob("*.hl7"))}
COUNTERS = {  # they count, or repeat what stands elsewhere, so nobody has to read them
    "PID-1", "PV1-1", "MRG-4", "AL1-1", "DG1-1", "NTE-1", "AIS-1", "AIG-1", "AIL-1", "AIP-1",
    "RGS-1", "TQ1-1", "SCH-1", "TXA-1", "OBX-1", "OBX-2", "OBR-1", "RXA-1", "RXA-2",
    "FT1-1", "FT1-3", "PR1-1", "IN1-1", "NK1-1", "GT1-1", "STF-1", "PRA-1", "SPM-1", "EVN-1",
}  # fmt: skip
SECOND_CHOICES = {  # read where the first choice is missing, or beside another
    "ADT": b"GT1|9|7\rIN1|9\rIN2|4\r",
    **dict.fromkeys(
        ("ORM", "OML", "OMG"), b"ROL|9|AD|RT|7^Reed|2026|2026\rPRT|9|AD||RT|7^Reed||||||2026|2026\r"
    ),
    "DFT": b"FT1|9||B|20260302||CG\rPR1|9||X\rPRT|9|AD||AP|7^Reed||||||2026|2026\r",
    "SIU": b"TQ1|9\rAIL|9|A|X||||||5|MIN\rAIP|9|A|7^Reed||||||5|MIN\r",
}
CODE = re.compile(r"""(?:\bissue|\bIssue)\(\s*"([a-z][a-z_]+)"|\breason="((?!hl7_)[a-z_]+)\"""")
OWN_CODES = Config(
    values=ValueMaps(encounter_class={"QQ": "emergency"}, appointment_status={"QQ": "completed"})
)
ANSWERED = {"MFI-6", "MFE-2", "MFE-5"}  # read when the sender is answered


def issues(content: bytes, config: Config | None = None) -> dict[str, str]:
    parsed = connector.parse(config or Config(), RawDocument(content))
    found = [*parsed.issues, *(issue for one in parsed.records for issue in one.issues)]
    return {issue.code: issue.path for issue in found}


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """By type of message, the fields that reading every fixture asks for."""
    seen: set[str] = set()
    leaf, part, field = Segment._leaf, Segment._part, Segment._field

    def _leaf(self: Segment, path: Steps) -> str | None:
        seen.add(f"{self.id}-{path[0]}")
        return leaf(self, path)

    def _part(self: Segment, path: Steps) -> str | None:
        seen.add(f"{self.id}-{path[0]}")
        return part(self, path)

    def _field(self: Segment, number: int) -> str | None:
        seen.add(f"{self.id}-{number}")
        return field(self, number)

    monkeypatch.setattr(Segment, "_leaf", _leaf)
    monkeypatch.setattr(Segment, "_part", _part)
    monkeypatch.setattr(Segment, "_field", _field)
    by_type: dict[str, set[str]] = defaultdict(set)
    for content in CONTENTS.values():
        seen.clear()
        kind = content.split(content[3:4])[8][:3].decode()
        with suppress(Rejected):
            more = SECOND_CHOICES.get(kind, b"")
            connector.parse(Config(), RawDocument(content + more))
        by_type[kind] |= {path for path in seen if path.partition("-")[0] not in {"", "MSH"}}
    return by_type


def stated(kind: str) -> set[str]:
    read = unread._read(kind, (), Config().member_id)
    return {f"{name}-{number}" for name, numbers in read.items() for number in numbers}


def test_nothing_that_is_read_counts_as_unread(reads: dict[str, set[str]]) -> None:
    assert set(reads) | {"OMG"} == set(unread.FIXED)
    missing = {kind: found - stated(kind) for kind, found in reads.items()}
    assert missing == {kind: set() for kind in reads}


def test_nothing_counts_as_read_that_no_mapping_asks_for(reads: dict[str, set[str]]) -> None:
    orders = reads["ORM"] | reads["OML"] | reads["OMG"]  # one table
    for kind, asked in reads.items():
        found = orders if kind in {"ORM", "OML", "OMG"} else asked
        fixed = {f"{name}-{n}" for name, fields in unread.FIXED[kind].items() for n in fields}
        assert fixed - found - COUNTERS - ANSWERED == set(), kind


def test_fields_that_nobody_reads_are_named_once_without_their_values() -> None:
    content = CONTENTS["adt_a04"] + b"PV2|||||||||||||Basalt\rNK1|9|Reed^Ann||||||||||||||Cobalt\r"
    found = issues(content)
    assert found["fields_not_read"] == "IN2-1,NK1-16,PV2-13"
    assert "Basalt" not in repr(found)


def test_a_dialect_silences_fields_and_segments_it_expects() -> None:
    config = Config(unread=("IN2-1",))
    assert "fields_not_read" not in issues(CONTENTS["adt_a04"], config)
    assert "fields_not_read" not in issues(CONTENTS["adt_a04"], Config(unread=("IN2",)))


def test_what_the_dialect_reads_elsewhere_counts_as_read_and_the_old_place_no_more() -> None:
    content = CONTENTS["adt_a02"] + b"ZVN|S|0099\r"
    config = Config(field={"visit.class": ("ZVN-2 when ZVN-1 = S",)})
    found = issues(content, config)
    assert "segments_not_read" not in found
    assert found["fields_not_read"] == "PV1-2"


def test_who_and_when_is_missed_in_admissions_only_and_nulls_say_nothing() -> None:
    result = CONTENTS["oru_r01"].replace(b"\rPID|", b'\rPD1||||""|||||||||||||""\rPID|')
    assert "PID" not in issues(result)["fields_not_read"]
    assert "PD1" not in issues(result)["fields_not_read"]


@pytest.mark.parametrize("path", ["PV1", "PV1-39", "ZPD-4"])
def test_settings_take_segments_and_fields(path: str) -> None:
    assert Config(unread=(path,)).unread == (path,)


@pytest.mark.parametrize("path", ["PV1-0", "PV1-39.1", "pv1", "PV1-"])
def test_settings_refuse_what_is_neither(path: str) -> None:
    settings: dict[str, Any] = {"unread": (path,)}
    with pytest.raises(ValueError, match="fields such as"):
        Config(**settings)


ROLE = b"PRT||AD||PP^Primary^HL70912|D-40^Marsh^Lee\r"


@pytest.mark.parametrize(
    ("case", "behind", "code"),
    [
        ("adt_a31", b"IN1|", "role_unplaced"),
        ("adt_a31", b"PV1|", "role_unplaced"),  # an update of a person reads no visit
        ("adt_a40", b"PID|", "role_unplaced"),
        ("orm_o01", b"PID|", "role_unplaced"),
        ("orm_o01", b"OBX|", "role_unplaced"),
        ("dft_p03", b"FT1|", "role_unplaced"),
        ("oru_r01", b"OBX|", "segments_not_read"),
        ("siu_s12", b"PID|", "segments_not_read"),
    ],
)
def test_a_role_that_finds_no_place_is_told_unless_it_was_expected(
    case: str, behind: bytes, code: str
) -> None:
    name = next(name for name in CONTENTS if name.startswith(case))
    lines = [line + b"\r" for line in CONTENTS[name].rstrip(b"\r").split(b"\r")]
    if not any(line.startswith(behind) for line in lines):
        lines.append(behind + b"1\r")
    last = max(at for at, line in enumerate(lines) if line.startswith(behind))
    content = b"".join([*lines[: last + 1], ROLE, *lines[last + 1 :]])
    assert "PRT" in issues(content)[code].split(",")
    expected = issues(content, Config(unread=("PRT",)))
    assert "PRT" not in expected.get(code, "").split(",")


HEADER = b"MSH|^~\\&|EHR|N|HUB|N|20260302||%b|1|P|2.5.1\rPID|1||7^^^HOSP^MR||Harbour^Iris\r"


@pytest.mark.parametrize(
    ("event", "code", "segment"),
    [
        (b"ORM^O01", "order_missing", "ORC"),
        (b"OML^O21", "order_missing", "ORC"),
        (b"ORU^R01", "report_missing", "OBR"),
        (b"DFT^P03", "charge_missing", "FT1"),
        (b"VXU^V04", "immunization_missing", "RXA"),
    ],
)
def test_a_message_without_what_it_is_sent_for_says_so(
    event: bytes, code: str, segment: str
) -> None:
    assert issues(HEADER % event) == {code: segment}


def test_every_issue_and_fault_of_the_mapping_is_on_the_connectors_page() -> None:
    package = Path(unread.__file__).parent
    page = (package / "README.md").read_text()
    codes = {
        code
        for folder in (package, package.parent / "sdk" / "hl7v2")
        for source in folder.rglob("*.py")
        for code in map("".join, CODE.findall(source.read_text()))
    }
    assert len(codes) > 40
    assert sorted(code for code in codes if f"`{code}`" not in page) == []


@pytest.mark.parametrize(
    ("event", "body", "path"),
    [
        (b"ADT^A01", b"PV1|1|%b|||||||||||||||||V1\r", "PV1-2"),
        (b"SIU^S14", b"SCH|1|1|||||||||^^^20260302" + b"|" * 14 + b"%b\r", "SCH-25"),
    ],
)
def test_a_code_of_a_visit_or_appointment_in_no_table_is_named(
    event: bytes, body: bytes, path: str
) -> None:
    assert issues(HEADER % event + body % b"QQ") == {"unknown_code": path}
    assert issues(HEADER % event + body % b"QQ", OWN_CODES) == {}
    for known in (b"U", b"I") if path == "PV1-2" else (b"Booked", b"Noshow", b""):
        assert issues(HEADER % event + body % known) == {}
