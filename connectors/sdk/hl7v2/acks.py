"""Acknowledgements (HL7 v2.5.1 §2.9, §2.15.1 ACK) from a template: microseconds, no parser.

An acknowledgement never carries a value of the message but what it must copy from MSH.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Literal

from connectors.sdk.hl7v2.delimiters import Delimiters
from connectors.sdk.hl7v2.faults import TABLE_0357, Fault
from connectors.sdk.hl7v2.header import Header, read_header
from connectors.sdk.hl7v2.paths import parse_path
from hub.random_bytes import random_bytes

AckCode = Literal["AA", "AE", "AR", "CA", "CE", "CR"]

_NO_HEADER = Header(b"MSH|^~\\&||||||||||2.5.1")


def new_control_id() -> str:
    """A control id unique across processes: 80 random bits in 20 characters, the limit before
    2.7.
    """
    return random_bytes(10).hex().upper()


def build_ack(
    header: Header | None,
    code: AckCode,
    faults: Sequence[Fault] = (),
    *,
    now: datetime,
    control_id: str,
    accept: str = "",
    expected: str = "",
    kind: bytes = b"ACK",
) -> bytes:
    """The acknowledgement of the message with `header` (None: it had no readable MSH).

    `now` must be aware; MSH-7 carries its offset. `accept` is MSH-15 of an acknowledgement that is
    a message of its own; nothing is to be said about processing it (MSH-16 NE). Delimiters,
    version, processing id and character set are the sender's, MSH-3 to MSH-6 change places whole,
    MSA-2 is MSH-10 byte for byte. `expected` is MSA-4, the sequence number to come next. `kind` is
    the type, MFK where more segments follow that answer a master file.
    """
    about = header or _NO_HEADER
    d = about.delimiters or _NO_HEADER.delimiters
    assert d is not None  # noqa: S101 - the template's own delimiters are sound
    f = d.field_byte
    before, between, after = _line(about, d, accept, kind)
    msh = b"".join(
        (before, timestamp(now).encode(), between, control_id.encode("ascii"), after, b"\rMSA", f)
    )
    ack = b"".join((msh, code.encode(), f, about.raw(10)))
    if faults or expected:
        version = about.version if about.delimiters else "2.5.1"
        plain = faults and version_number(version) < (2, 7)
        text = _plain(faults[0].text, d.encoding_characters + d.field) if plain else b""
        if plain or expected:
            ack += f + text
        if expected:
            ack += f + expected.encode()
        ack = b"\r".join([ack, *_errs(faults, version, d.encoding_characters, f)])
    return ack + b"\r"


def _line(about: Header, d: Delimiters, accept: str, kind: bytes) -> tuple[bytes, bytes, bytes]:
    """MSH around its time and its control id. It is the same for all messages of a sender's type,
    and remembered."""
    fields = about.fields
    copied = (*fields[1:6], *fields[8:9], *fields[10:12], *fields[17:18])
    key = accept, kind, about.separator, copied
    found = _lines.get(key)
    if found is None:
        found = _written(about, d, accept, kind)
        if sum(map(len, copied)) <= _LONGEST_KEPT:
            if len(_lines) >= _MOST_KEPT:
                _lines.clear()
            _lines[key] = found
    return found


_lines: dict[tuple[str, bytes, bytes, tuple[bytes, ...]], tuple[bytes, bytes, bytes]] = {}
_MOST_KEPT, _LONGEST_KEPT = 1024, 1024


def _written(about: Header, d: Delimiters, accept: str, kind: bytes) -> tuple[bytes, bytes, bytes]:
    f, sound = d.field_byte, about.delimiters is not None
    copied = about.raw if sound else _NO_HEADER.raw
    version = about.version if sound else "2.5.1"
    names = [b"MSH", d.encoding_characters.encode(), copied(5), copied(6), copied(3), copied(4)]
    wishes = [accept.encode(), b"NE"] if accept else [b"", b""]
    rest = [b"", copied(11), version.encode(), b"", b"", *wishes, b"", copied(18)]
    between = f.join([b"", b"", _message_type(about, d.component_byte, kind), b""])
    return f.join([*names, b""]), between, f.join(rest).rstrip(f)


def timestamp(moment: datetime) -> str:
    """HL7 TS to the second with offset; `moment` must be aware."""
    return _timestamp(moment.replace(microsecond=0))


@lru_cache(maxsize=8)
def _timestamp(moment: datetime) -> str:
    return moment.strftime("%Y%m%d%H%M%S%z")[:19]


@lru_cache(maxsize=256)
def version_number(version: str) -> tuple[int, ...]:
    """``2.5.1`` as (2, 5, 1); anything unreadable counts as 2.5."""
    try:
        return tuple(int(part) for part in version.split("."))
    except ValueError:
        return (2, 5)


def read_ack(content: bytes) -> tuple[str, bytes, str] | None:
    """MSA-1, MSA-2 and MSA-3 of an acknowledgement; None if the content is none.

    The control id stays bytes, to be compared with what was sent.
    """
    header = read_header(content)
    if header is None:
        return None
    for line in content.replace(b"\n", b"\r").split(b"\r"):
        if line[:4] == b"MSA" + header.separator:
            fields = [*line.split(header.separator), b"", b"", b""]
            return (
                fields[1].decode("ascii", "replace"),
                fields[2],
                fields[3].decode("utf-8", "replace"),
            )
    return None


def read_error(content: bytes) -> tuple[str, str]:
    """Code and place of the first ERR of an acknowledgement, like ``("101", "PID-3")``.

    Texts are left out: a receiver may quote values in them. Empty where ERR is missing or says
    nothing that has the form of a code or a place; MSA-6 stands in for a missing code.
    """
    header = read_header(content)
    if header is None or header.delimiters is None:
        return "", ""
    d, code, place = header.delimiters, "", [""]
    for line in content.replace(b"\n", b"\r").split(b"\r"):
        fields = [*line.decode("ascii", "replace").split(d.field_byte.decode()), *[""] * 7]
        component = d.component_byte.decode()
        if fields[0] == "MSA":
            code = fields[6].split(component)[0]
        elif fields[0] == "ERR" and fields[1]:  # before 2.5: place and code in one field
            place = fields[1].split(component)
            subcomponent = (d.subcomponent_byte or b"&").decode()
            code = place[3].split(subcomponent)[0] if len(place) > 3 else code
            break
        elif fields[0] == "ERR":
            place, code = fields[2].split(component), fields[3].split(component)[0] or code
            break
    segment, field = place[0], place[2] if len(place) > 2 else ""
    known = segment.isascii() and segment.isalnum() and len(segment) == 3
    path = f"{segment}-{field}" if known and field.isdigit() else segment if known else ""
    return (code if code.isascii() and code.isalnum() and len(code) <= 10 else ""), path


_STRUCTURES = {b"ACK": b"ACK", b"MFK": b"MFK_M01"}


def _message_type(header: Header, component: bytes, kind: bytes) -> bytes:
    """``ACK``, ``ACK^A01`` or ``ACK^A01^ACK``: as many components as the sender's MSH-9."""
    parts = header.raw(9).split(component) if header.delimiters else []
    if len(parts) < 2:
        return kind
    return component.join([kind, parts[1], _STRUCTURES[kind]][: min(len(parts), 3)])


def _errs(faults: Sequence[Fault], version: str, encoding: str, f: bytes) -> list[bytes]:
    """An ERR for each fault; before 2.5 there is one at most, whose ERR-1 repeats."""
    if not faults or version_number(version) >= (2, 5):
        return [_err(one, encoding, f) for one in faults]
    c, s = encoding[0].encode(), (encoding[3:4] or "&").encode()
    found = [c.join([*_place(o.path)[:3], s.join(_code(o, encoding))]) for o in faults]
    return [b"ERR" + f + encoding[1].encode().join(found)]


def _err(fault: Fault, encoding: str, f: bytes) -> bytes:
    c = encoding[0].encode()
    where = c.join(_place(fault.path)).rstrip(c)
    text = _plain(fault.text, encoding + f.decode())
    code = c.join(_code(fault, encoding))
    return f.join([b"ERR", b"", where, code, b"E", b"", b"", b"", text])


def _code(fault: Fault, encoding: str) -> list[bytes]:
    name = _plain(TABLE_0357.get(fault.code, ""), encoding)
    return [str(fault.code).encode(), name, b"HL70357"]


def _place(path: str) -> list[bytes]:
    """ERL components: segment, sequence, field, repetition, component, subcomponent."""
    try:
        at = parse_path(path)
    except ValueError:
        return [path.encode(), b"1", b""] if path else [b"", b"", b""]
    numbers = [at.occurrence, at.field, at.repetition or 1, at.component, at.subcomponent]
    if not at.component:
        numbers = numbers[:2]
    return [at.segment.encode(), *(str(number).encode() if number else b"" for number in numbers)]


def _plain(text: str, delimiters: str) -> bytes:
    """Our own words without the sender's delimiters."""
    return text.translate({ord(char): " " for char in delimiters}).encode("ascii", "replace")
