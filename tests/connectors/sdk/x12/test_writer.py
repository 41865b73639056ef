from dataclasses import replace
from datetime import UTC, datetime

import pytest

from connectors.sdk import x12
from hub.errors import DataError

ENVELOPE = x12.Envelope(
    sender_qualifier="ZZ",
    sender="MSO",
    receiver_qualifier="14",
    receiver="0012345678",
    control=17,
    group_control=9,
    functional_id="PO",
    version="004010",
    sent_at=datetime(2026, 3, 1, 9, 5, tzinfo=UTC),
)


def test_an_order_is_written_with_counted_and_padded_envelope() -> None:
    lines: list[x12.SegmentDraft] = [
        ("BEG", "00", "SA", "PO-1", "", "20260301"),
        ("PO1", "1", "2", "CA", "10.5", "", "VN", "A1", ""),
    ]
    raw = x12.write(ENVELOPE, [x12.Draft("850", "0001", lines)]).decode()
    isa, rest = raw[:106], raw[106:]
    assert isa == (
        "ISA*00*          *00*          *ZZ*MSO            *14*0012345678     "
        "*260301*0905*U*00401*000000017*0*P*:~"
    )
    assert rest == (
        "GS*PO*MSO*0012345678*20260301*0905*9*X*004010~ST*850*0001~"
        "BEG*00*SA*PO-1**20260301~PO1*1*2*CA*10.5**VN*A1~SE*4*0001~GE*1*9~IEA*1*000000017~"
    )


def test_composites_repetitions_and_the_implementation_reference_are_written() -> None:
    envelope = replace(ENVELOPE, functional_id="HS", version="005010X279A1")
    lines: list[x12.SegmentDraft] = [("EQ", ["30", "98"], ("HC", "99213", ""))]
    draft = x12.Draft("270", "0001", lines, "005010X279A1")
    raw = x12.write(envelope, [draft]).decode()
    assert "*^*00501*" in raw
    assert "~ST*270*0001*005010X279A1~EQ*30^98*HC:99213~SE*3*0001~" in raw


@pytest.mark.parametrize("value", ["a*b", "a~b", "a:b", "a^b"])
def test_a_delimiter_in_data_is_an_error_naming_the_element(value: str) -> None:
    with pytest.raises(DataError) as caught:
        x12.write(ENVELOPE, [x12.Draft("850", "0001", [("N1", "ST", value)])])
    assert (caught.value.reason, caught.value.path) == ("delimiter_in_data", "850 N1-2")
    assert value not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"sender": "X" * 16}, "ISA-06"),
        ({"receiver": ""}, "ISA-08"),
        ({"control": 1_000_000_000}, "ISA-13"),
        ({"group_control": 0}, "GS-06"),
        ({"functional_id": "P*"}, "GS-1"),
    ],
)
def test_an_envelope_that_does_not_fit_is_named(change: dict[str, object], path: str) -> None:
    with pytest.raises(DataError) as caught:
        x12.write(replace(ENVELOPE, **change), [])  # type: ignore[arg-type]
    assert caught.value.path == path


def test_a_control_character_or_missing_id_is_refused() -> None:
    with pytest.raises(DataError, match="control character"):
        x12.write(ENVELOPE, [x12.Draft("850", "0001", [("MSG", "two\nlines")])])
    with pytest.raises(DataError, match="segment needs its id"):
        x12.write(ENVELOPE, [x12.Draft("850", "0001", [("", "x")])])


def test_repetitions_without_a_separator_are_refused() -> None:
    envelope = replace(ENVELOPE, delimiters=x12.Delimiters(repetition=""))
    with pytest.raises(DataError, match="no repetition separator"):
        x12.write(envelope, [x12.Draft("850", "0001", [("EQ", ["1", "2"])])])
