"""Damaged messages: the mapping says what it cannot read, and never fails otherwise."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from connectors.ehr_hl7v2.config import Config
from connectors.ehr_hl7v2.connector import connector
from connectors.sdk.base import ParsedDocument, RawDocument
from hub.domain.content import content_hash
from hub.errors import Rejected

FIXTURES = Path(__file__).parents[2] / "fixtures" / "ehr_hl7v2"
CONTENTS = [path.read_bytes() for path in sorted(FIXTURES.glob("*.hl7"))]
JUNK = (
    b"\r", b"\n", b"|", b"^", b"~", b"&", b"\\", b'|""|', b'\rPR1|1||""', b"\rROL||DE|^^|^^",
    b"|NaN|", b"|1e999|", b"|20260230|", b"|99991231235959+9999|", b"\rFT1|1|||2026|", b"\xff", b"",
)  # fmt: skip
DAMAGE = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 30), st.sampled_from(JUNK)), min_size=1, max_size=8
)


def read(content: bytes) -> ParsedDocument | None:
    try:
        return connector.parse(Config(), RawDocument(content))
    except Rejected:
        return None


def damaged(content: bytes, damage: list[tuple[float, int, bytes]]) -> bytes:
    """With pieces cut out and junk put in, behind the header."""
    head, _, body = content.partition(b"\r")
    for place, cut, junk in damage:
        at = int(place * len(body))
        body = body[:at] + junk + body[at + cut :]
    return head + b"\r" + body


@given(st.sampled_from(CONTENTS), DAMAGE)
def test_a_damaged_message_gives_records_and_issues_or_a_refusal(
    content: bytes, damage: list[tuple[float, int, bytes]]
) -> None:
    parsed = read(damaged(content, damage))
    for record in parsed.records if parsed else ():
        content_hash(record.data)


def test_a_line_broken_inside_a_name_is_no_segment_to_be_named() -> None:
    content = (FIXTURES / "adt_a31_truncated.hl7").read_bytes()
    name = content.split(b"\rPID|")[1].split(b"|")[4]
    broken = content.replace(name, name[:4] + b"\r" + name[4:])
    parsed = read(broken)
    assert parsed is not None
    found = [*parsed.issues, *(issue for one in parsed.records for issue in one.issues)]
    assert name[4:9].decode().upper() not in repr(found).upper()
