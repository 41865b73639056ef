"""What a folder of sample messages holds and what the hub would make of it; no value leaves here
but codes that stand where a code is expected.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from connectors.ehr_hl7v2.config import Config
from connectors.ehr_hl7v2.parse import parse
from connectors.sdk.base import RawDocument
from connectors.sdk.hl7v2.acknowledging import accept_code
from connectors.sdk.hl7v2.batches import Batch, read_batch, split_blocks
from connectors.sdk.hl7v2.faults import Fault
from connectors.sdk.hl7v2.framing import Frame
from connectors.sdk.hl7v2.lexer import Message, lex
from hub.entrypoints.hl7_judging import judge
from hub.entrypoints.hl7_routes import Facility, Hl7Connection, Peer, Routes
from hub.errors import Rejected

ANYWHERE = ("0.0.0.0/0", "::/0")
SUFFIXES = frozenset({".hl7", ".txt", ".er7", ".dat", ""})
UNKNOWN_CODES = frozenset({"unknown_code"})
"""Issues of the mapping that mean: there is a code here that stands in no table."""
NAMED_TOGETHER = frozenset({"segments_not_read", "fields_not_read"})
"""Issues whose path lists all that a message has of a kind."""
_CODE = re.compile(r"[A-Za-z0-9._/+-]{1,12}")
_TYPE = re.compile(r"[A-Z0-9]{3}(\^[A-Z0-9]{2,3})?")
_NAME = re.compile(r"[\w .:/+&-]{1,60}")
_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}")
NOT_SHOWN = "(not shown)"


@dataclass(slots=True)
class FieldUse:
    """How a field is used: in how many messages, how often, how long at most, how many
    repetitions."""

    messages: int = 0
    times: int = 0
    longest: int = 0
    repetitions: int = 0


@dataclass(slots=True)
class Profile:
    """Counts over all messages; the names of paths, types, versions and codes are keys."""

    files: int = 0
    messages: int = 0
    types: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    charsets: Counter[str] = field(default_factory=Counter)
    senders: Counter[str] = field(default_factory=Counter)
    facilities: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    segments: Counter[str] = field(default_factory=Counter)
    fields: dict[str, FieldUse] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    refusals: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    records: Counter[str] = field(default_factory=Counter)
    unread: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    issues: Counter[tuple[str, str]] = field(default_factory=Counter)
    codes: Counter[tuple[str, str]] = field(default_factory=Counter)


def sample_files(folder: Path) -> list[Path]:
    """The message files below a folder, or the one file named."""
    if folder.is_file():
        return [folder]
    found = (one for one in folder.rglob("*") if one.is_file())
    return sorted(one for one in found if one.suffix.lower() in SUFFIXES)


def batches_of(files: Iterable[Path]) -> Iterator[Batch]:
    """The messages of files, in order, as they would come together: framed, bare or in batches."""
    for file in files:
        for block in split_blocks(file.read_bytes()):
            yield read_batch(block, most=None)


def profile(batches: Iterable[Batch], connection: Hl7Connection) -> Profile:
    """Look at every message as the connection's listener and its dialect would.

    A connection without facilities takes every facility: then only their names are told.
    """
    found = Profile()
    for batch in batches:
        for content in batch.messages:
            found.messages += 1
            _look(found, content, connection.config)
            _judge(found, content, connection, batch.fault)
    return found


def _look(found: Profile, content: bytes, config: Config) -> None:
    try:
        message = lex(content, charset_fallback=config.charset_fallback)
    except Rejected:
        return  # the judgement says why
    found.versions[_word(message.value("MSH-12"), _CODE)] += 1
    stated = _word(message.value("MSH-18"), _NAME)
    found.charsets[f"{stated} read as {message.codec}"] += 1
    found.senders[_word(message.value("MSH-3"), _NAME)] += 1
    codes = (message.value(place) for place in config.receiving.facility)
    found.facilities[_word(next(filter(None, codes), None), _NAME)] += 1
    found.warnings.update(message.warnings)
    seen: set[str] = set()
    for segment in message:
        found.segments[_word(segment.id, _SEGMENT)] += 1
        if not _SEGMENT.fullmatch(segment.id):
            continue
        first = 3 if segment.id == "MSH" else 1
        for number, text in enumerate(segment.fields[1 if first == 1 else 2 :], start=first):
            if text:
                path = f"{segment.id}-{number}"
                use = found.fields.setdefault(path, FieldUse())
                use.times += 1
                use.messages += path not in seen
                use.longest = max(use.longest, len(text))
                use.repetitions = max(use.repetitions, segment.repetitions(number))
                seen.add(path)
    _read(found, message, content, config)


def _read(found: Profile, message: Message, content: bytes, config: Config) -> None:
    try:
        parsed = parse(config, RawDocument(content))
    except Rejected as error:
        found.unread[error.reason, error.path, str(error)] += 1
        return
    found.records.update(type(record.data).__name__ for record in parsed.records)
    issues = [*parsed.issues, *(issue for record in parsed.records for issue in record.issues)]
    for issue in issues:
        paths = issue.path.split(",") if issue.code in NAMED_TOGETHER else [issue.path]
        found.issues.update((issue.code, path) for path in paths)
        if issue.code in UNKNOWN_CODES:
            found.codes[issue.path, _code_at(message, issue.path)] += 1


def _code_at(message: Message, path: str) -> str:
    """The code at a path, if it has the form of one (what does not may be anything) and only one
    stands there in all segments of the message."""
    segment, _, place = path.partition("-")
    codes = {one.value(place) or "" for one in message.all(segment)} if place else set()
    code = codes.pop() if len(codes) == 1 else ""
    return code if _CODE.fullmatch(code) else NOT_SHOWN


def _word(text: str | None, form: re.Pattern[str]) -> str:
    """A word of the header or a segment's id, unless it has not the form of one."""
    if not text:
        return "(none)"
    return text if form.fullmatch(text) else NOT_SHOWN


def _judge(
    found: Profile, content: bytes, connection: Hl7Connection, incomplete: Fault | None
) -> None:
    facilities: Mapping[str, Facility] = connection.facilities or _Every(connection.config.zone)
    asked = replace(connection, facilities=facilities, peers=ANYWHERE, certificates=frozenset())
    judgement = judge(Frame(content, size=len(content)), Peer("127.0.0.1"), Routes((asked,)))
    found.types[_word(judgement.arrival.message_type, _TYPE)] += 1
    wishes = [judgement.header.first(n) if judgement.header else "" for n in (15, 16)]
    fault = judgement.fault or incomplete
    code = None if judgement.silent else accept_code(wishes[0], wishes[1], fault)
    found.answers[code or "(none)"] += 1
    if fault is not None:
        found.refusals[code or "(none)", str(fault.code), fault.path, fault.text] += 1


class _Every(dict[str, Facility]):
    """Any facility, as one practice nobody asks for."""

    def __init__(self, zone: str) -> None:
        super().__init__({"": Facility("", zone)})

    def get(self, key: Any, default: Any = None) -> Any:
        return self[""]
