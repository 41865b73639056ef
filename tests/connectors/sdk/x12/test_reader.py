from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.sdk import x12
from hub.errors import DataError

ISA = (
    "ISA*00*          *00*          *ZZ*PAYER          *ZZ*MSO            "
    "*260301*0915*^*00501*000000042*0*T*:~"
)
BODY = (
    "GS*HB*PAYER*MSO*20260301*0915*7*X*005010X279A1~"
    "ST*271*0001*005010X279A1~"
    "BHT*0022*11*REF1*20260301*0915~"
    "EB*1**30^98*HM*GOLD PLAN~"
    "SE*4*0001~GE*1*7~IEA*1*000000042~"
)
MESSAGE = ISA + BODY


def only(raw: bytes | str) -> x12.Result:
    results = x12.read(raw.encode() if isinstance(raw, str) else raw)
    assert len(results) == 1
    return results[0]


def interchange(raw: bytes | str) -> x12.Interchange:
    result = only(raw)
    assert isinstance(result, x12.Interchange), result
    return result


def codes(result: x12.Interchange) -> set[str]:
    return {issue.code for issue in result.issues}


def test_an_interchange_is_read_with_its_envelope_and_positions() -> None:
    result = interchange(MESSAGE)
    assert (result.header.sender, result.header.receiver) == ("PAYER", "MSO")
    assert (result.header.control, result.header.usage) == ("000000042", "T")
    transaction = result.transactions[0]
    assert (transaction.set_id, transaction.control) == ("271", "0001")
    assert transaction.version == "005010X279A1"
    assert transaction.group.functional_id == "HB"
    benefit = transaction.segments[2]
    assert (benefit.id, benefit.position) == ("EB", 3)
    assert benefit.get(1) == "1"
    assert benefit.repeats(3) == ("30", "98")
    assert benefit.get(40) == ""
    assert benefit.repeats(2) == ()
    assert result.issues == ()


@pytest.mark.parametrize("ending", ["\n", "\r\n", " ", "  \r\n"])
def test_blanks_after_a_terminator_are_dropped(ending: str) -> None:
    assert len(interchange(MESSAGE.replace("~", "~" + ending)).transactions[0].segments) == 4


@pytest.mark.parametrize("terminator", ["\n", "\r", "\x1c", "'"])
def test_any_terminator_is_taken_from_the_isa(terminator: str) -> None:
    result = interchange(MESSAGE.replace("~", terminator))
    assert result.transactions[0].segments[2].repeats(3) == ("30", "98")


def test_a_byte_order_mark_and_leading_blanks_are_skipped() -> None:
    assert interchange(b"\xef\xbb\xbf \r\n" + MESSAGE.encode()).issues == ()


def test_text_that_is_not_utf8_is_latin1_with_an_issue() -> None:
    result = interchange(MESSAGE.replace("GOLD", "GÖLD").encode("latin-1"))
    assert result.transactions[0].segments[2].get(5) == "GÖLD PLAN"
    assert codes(result) == {"charset"}


def test_an_isa_of_the_wrong_width_is_split_by_its_separator() -> None:
    short = "ISA*00**00**ZZ*PAYER*ZZ*MSO*260301*0915*^*00501*000000042*0*T*:~"
    result = interchange(short + BODY)
    assert result.header.sender == "PAYER"
    assert result.transactions[0].segments[2].repeats(3) == ("30", "98")


def test_a_letter_in_isa11_means_no_repetition() -> None:
    result = interchange(MESSAGE.replace("*^*00501", "*U*00401"))
    assert result.transactions[0].segments[2].repeats(3) == ("30^98",)


def test_equal_repetition_and_component_separators_split_by_element_type() -> None:
    raw = MESSAGE.replace("*^*00501", "*:*00501").replace("30^98", "30:98")
    raw = raw.replace("*GOLD PLAN~", "*GOLD PLAN********HC:99213:25~")
    segment = interchange(raw).transactions[0].segments[2]
    assert segment.repeats(3) == ("30", "98")
    assert segment.components(13) == ("HC", "99213", "25")
    assert segment.component(13, 2) == "99213"
    assert segment.component(13, 9) == ""


@pytest.mark.parametrize(
    ("missing", "named"), [("SE*4*0001~", "SE"), ("GE*1*7~", "GE"), ("IEA*1*000000042~", "IEA")]
)
def test_a_missing_trailer_is_truncation(missing: str, named: str) -> None:
    result = only(MESSAGE.replace(missing, ""))
    assert isinstance(result, x12.TruncatedResponse)
    assert named in result.text
    assert result.header is not None


def test_an_empty_envelope_is_truncation_and_not_an_empty_answer() -> None:
    assert isinstance(only(ISA + "IEA*0*000000042~"), x12.TruncatedResponse)


def test_complete_transactions_before_a_cut_are_kept() -> None:
    result = only(MESSAGE.replace("GE*1*7~", "ST*271*0002~EB*1"))
    assert isinstance(result, x12.TruncatedResponse)
    assert [transaction.control for transaction in result.transactions] == ["0001"]


def test_a_complete_iea_needs_no_terminator() -> None:
    assert isinstance(only(MESSAGE.rstrip("~")), x12.Interchange)
    assert isinstance(only(MESSAGE.rstrip("2~")), x12.TruncatedResponse)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("GE*1*7", "GE*2*7", "transaction_count"),
        ("GE*1*7", "GE*1*8", "control_number"),
        ("IEA*1*", "IEA*3*", "group_count"),
        ("IEA*1*000000042", "IEA*1*000000043", "control_number"),
        ("GE*1*7~", "GE*1*7~XYZ*1~", "stray_segment"),
        ("GE*1*7~", "SE*1*1~GE*1*7~", "stray_segment"),
        ("IEA*1*000000042~", "IEA*1*000000042~ rest", "trailing_content"),
    ],
)
def test_a_wrong_count_or_stray_segment_is_an_issue(old: str, new: str, code: str) -> None:
    assert codes(interchange(MESSAGE.replace(old, new))) == {code}


def test_wrong_se_numbers_are_issues_of_the_transaction() -> None:
    transaction = interchange(MESSAGE.replace("SE*4*0001", "SE*9*0002")).transactions[0]
    assert [issue.path for issue in transaction.issues] == ["SE-1", "SE-2"]


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"", "empty"),
        (b" \r\n", "empty"),
        (b"<html><body>busy</body></html>", "html"),
        (b"Service down", "text"),
        (b"ISAAC NEWTON", "text"),
        (b"see ISA*00*", "text"),
        (b"\x00\xff\x00", "text"),
    ],
)
def test_anything_else_is_named(raw: bytes, kind: str) -> None:
    result = only(raw)
    assert isinstance(result, x12.NotX12)
    assert result.kind == kind


def test_several_interchanges_give_one_result_each() -> None:
    first, second = x12.read((MESSAGE + "\n" + MESSAGE).encode())
    assert isinstance(first, x12.Interchange)
    assert first == second


def test_a_cut_interchange_does_not_hide_the_next() -> None:
    cut, whole = x12.read((ISA + "GS*HB*A*B*20260301*0915*7*X*005010X279A1~" + MESSAGE).encode())
    assert isinstance(cut, x12.TruncatedResponse)
    assert isinstance(whole, x12.Interchange)


def test_a_ta1_alone_is_a_complete_interchange() -> None:
    result = interchange(ISA + "TA1*000000041*260301*0915*R*006~IEA*0*000000042~")
    assert result.ta1s == (x12.TA1("000000041", "260301", "0915", "R", "006"),)
    assert result.issues == ()


@pytest.mark.parametrize(
    "limits",
    [x12.Limits(size=100), x12.Limits(segments=5), x12.Limits(element=8)],
    ids=["size", "segments", "element"],
)
def test_a_limit_is_a_typed_result(limits: x12.Limits) -> None:
    (result,) = x12.read(MESSAGE.encode(), limits)
    assert isinstance(result, x12.TooLarge)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [(b"", "not_x12"), (MESSAGE[:200].encode(), "truncated"), (b"x" * 100_000, "not_x12")],
)
def test_interchanges_raises_data_errors_with_a_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(DataError) as caught:
        x12.interchanges(raw)
    assert caught.value.reason == reason


def test_every_cut_is_truncation_or_not_x12() -> None:
    raw = MESSAGE.encode()
    complete = len(raw) - 1  # the last terminator may be missing
    for length in range(complete):
        result = only(raw[:length])
        assert isinstance(result, x12.TruncatedResponse | x12.NotX12), length


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_input_always_gives_a_typed_result(data: st.DataObject) -> None:
    raw = bytearray(MESSAGE.encode())
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(raw) - 1))
        match data.draw(st.sampled_from(["set", "delete", "insert", "cut"])):
            case "set":
                raw[place] = data.draw(st.integers(0, 255))
            case "delete":
                del raw[place : place + data.draw(st.integers(1, 30))]
            case "insert":
                raw[place:place] = data.draw(
                    st.sampled_from([b"~", b"*", b"ISA*", b"SE*", b"\xff"])
                )
            case _:
                del raw[place:]
        raw = raw or bytearray(b"~")
    results = x12.read(bytes(raw))
    assert results
    for result in results:
        if isinstance(result, x12.Interchange):
            assert result.transactions or result.ta1s
        else:
            assert result.text


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_never_raise_nor_vanish(raw: bytes) -> None:
    assert x12.read(raw)
    assert x12.read(b"ISA*" + raw)


PLAIN = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=12)


@settings(max_examples=80, deadline=None)
@given(
    bodies=st.lists(
        st.lists(st.tuples(st.sampled_from(["REF", "PO1", "N1"]), PLAIN, PLAIN), max_size=4),
        min_size=1,
        max_size=3,
    ),
    delimiters=st.sampled_from(
        [
            x12.Delimiters(),
            x12.Delimiters("|", "!", ">", "\n"),
            x12.Delimiters("\x1d", "^", "\x1f", "\x1c"),
        ]
    ),
)
def test_what_is_written_is_read_back(
    bodies: list[list[tuple[str, str, str]]], delimiters: x12.Delimiters
) -> None:
    envelope = x12.Envelope(
        sender_qualifier="ZZ", sender="MSO", receiver_qualifier="01", receiver="123456789",
        control=5, group_control=6, functional_id="PO", version="005010",
        sent_at=datetime(2026, 3, 1, 9, 15, tzinfo=UTC), delimiters=delimiters,
    )  # fmt: skip
    drafts = [x12.Draft("850", f"{n:04d}", body) for n, body in enumerate(bodies, start=1)]
    result = interchange(x12.write(envelope, drafts))
    assert result.issues == ()
    assert all(transaction.issues == () for transaction in result.transactions)
    assert [
        [(s.id, s.get(1), s.get(2)) for s in transaction.segments[1:-1]]
        for transaction in result.transactions
    ] == bodies
