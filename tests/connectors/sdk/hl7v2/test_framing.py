from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.sdk.hl7v2.framing import Frame, Framer, wrap

CONTENT = st.binary(max_size=40).filter(lambda content: not set(content) & {0x0B, 0x1C})


def chunked(stream: bytes, sizes: list[int]) -> list[bytes]:
    pieces, position = [], 0
    for size in [*sizes, len(stream) + 1]:
        pieces.append(stream[position : position + size])
        position += size
    return pieces


@settings(max_examples=60, deadline=None)
@given(st.lists(CONTENT, max_size=5), st.lists(st.integers(1, 7), max_size=60))
def test_any_chunking_gives_the_same_frames(contents: list[bytes], sizes: list[int]) -> None:
    framer = Framer()
    stream = b"".join(wrap(content) for content in contents)
    frames = [frame for piece in chunked(stream, sizes) for frame in framer.feed(piece)]
    assert [frame.content for frame in frames] == contents
    assert not any(frame.fault or frame.warnings for frame in frames)
    assert framer.close() is None


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([b"\x0b", b"\x1c", b"\r", b"\n", b"MSH|", b"x" * 30]), max_size=40),
    st.lists(st.integers(1, 9), max_size=60),
)
def test_random_streams_lose_no_content_byte_and_depend_on_no_chunking(
    parts: list[bytes], sizes: list[int]
) -> None:
    stream = b"".join(parts)
    whole, pieces = Framer(cap=64), Framer(cap=64)
    frames = whole.feed(stream)
    again = [frame for piece in chunked(stream, sizes) for frame in pieces.feed(piece)]
    assert [(one.content, one.fault) for one in again] == [(o.content, o.fault) for o in frames]
    assert whole.junk == pieces.junk
    kept = b"".join(frame.content for frame in frames if frame.fault != "too_large")
    assert len(kept) <= len(stream)


def test_a_start_byte_inside_a_frame_reports_the_part_before_it_as_cut_off() -> None:
    cut, whole = Framer().feed(b"\x0bMSH|half" + wrap(b"MSH|whole"))
    assert (cut.content, cut.fault) == (b"MSH|half", "cut_off")
    assert (whole.content, whole.fault) == (b"MSH|whole", "")


def test_bytes_before_a_frame_are_counted_but_white_space_is_not() -> None:
    framer = Framer()
    frames = framer.feed(b"\r\n  " + wrap(b"a") + b"zzz" + wrap(b"b"))
    assert [frame.warnings for frame in frames] == [(), ("bytes_before_start",)]
    assert framer.junk == 3


def test_an_end_byte_without_carriage_return_ends_at_the_next_frame_or_after_a_pause() -> None:
    framer = Framer()
    first, second = framer.feed(b"\x0bone\x1c\x0btwo\x1c\x0d")
    assert (first.content, first.warnings) == (b"one", ("end_without_cr",))
    assert second.content == b"two"
    assert framer.feed(b"\x0bthree\x1c") == []
    assert framer.ending
    assert framer.pause() == Frame(b"three", "", 5, ("end_without_cr",))
    assert not framer.inside


def test_an_end_byte_within_text_is_content() -> None:
    (frame,) = Framer().feed(b"\x0ba\x1cb\x1c\x0d")
    assert (frame.content, frame.warnings) == (b"a\x1cb", ("end_byte_in_content",))


@pytest.mark.parametrize("step", [1, 7, 5000])
def test_a_frame_above_the_cap_is_skipped_and_the_next_one_is_read(step: int) -> None:
    framer = Framer(cap=100)
    stream = wrap(b"MSH|" + b"x" * 300) + wrap(b"next")
    frames = [f for at in range(0, len(stream), step) for f in framer.feed(stream[at : at + step])]
    assert [(frame.fault, frame.size) for frame in frames] == [("too_large", 304), ("", 4)]
    assert frames[0].content == b"MSH|" + b"x" * 96
    assert frames[1].content == b"next"


def test_a_frame_of_exactly_the_cap_is_taken() -> None:
    framer = Framer(cap=100)
    assert [frame.fault for frame in framer.feed(wrap(b"x" * 100) + wrap(b"x" * 101))] == [
        "",
        "too_large",
    ]


def test_an_unfinished_frame_is_handed_over_as_cut_off_when_the_stream_ends() -> None:
    framer = Framer()
    assert framer.feed(b"\x0bMSH|half") == []
    assert framer.inside
    rest = framer.close()
    assert rest is not None
    assert (rest.content, rest.fault) == (b"MSH|half", "cut_off")
    assert framer.close() is None


def test_an_unfinished_giant_is_handed_over_with_its_head() -> None:
    framer = Framer(cap=10)
    framer.feed(b"\x0b" + b"x" * 50 + b"\x1c")
    rest = framer.pause()
    assert rest is not None
    assert (rest.fault, rest.content) == ("too_large", b"x" * 10)
