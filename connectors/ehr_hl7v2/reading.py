"""One message while it is mapped: its dialect, its zone and the issues found so far."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, tzinfo
from decimal import Decimal, InvalidOperation

from connectors.ehr_hl7v2.config import Config
from connectors.ehr_hl7v2.fields import CLEARABLE, FIELDS, NEEDED, Spot
from connectors.sdk.hl7v2.datetimes import Hl7Time, parse_date, parse_time
from connectors.sdk.hl7v2.delimiters import Delimiters
from connectors.sdk.hl7v2.lexer import Message, Segment
from hub.domain.decimals import is_storable
from hub.domain.records import Issue
from hub.domain.sensitivity import RESTRICTED, label_for_all, label_of
from hub.domain.times import TimePrecision

MOST_RANK = 2**31 - 1
"""What both databases keep as an integer."""
_USUAL = Delimiters()


class Reading:
    """Reads typed values; what cannot be read becomes an issue and the value is left out."""

    def __init__(self, message: Message, config: Config, zone: tzinfo) -> None:
        self.message = message
        self.config = config
        self.issues: list[Issue] = list(message.issues)
        self.placed: set[Segment] = set()
        """The ROL and PRT that are read as roles of something."""
        self._cleared: list[str] = []
        self._zone = zone
        self._label: str | None = None
        self._occurred: tuple[datetime | None, TimePrecision | None] | None = None

    def issue(self, code: str, path: str, text: str) -> None:
        """Note a finding once."""
        found = Issue(code, path, text)
        if found not in self.issues:
            self.issues.append(found)

    def part(self, name: str, *at: Segment) -> tuple[Segment, str]:
        """The segment and the path inside it where a field of `fields.FIELDS` stands.

        A place in a segment of the kind of one of `at` is read there, any other in the message. The
        first place that says anything counts; where none does, the field is absent there.
        """
        places = self.config.placed[name]
        found: tuple[Segment, str] | None = None
        for spot, constant, only_if, equals in places:
            if only_if and self._segment(only_if, at).value(only_if.within) != equals:
                continue
            if spot is None:
                return _constant(constant), "1"
            segment = self._segment(spot, at)
            if len(places) == 1 or segment.raw(spot.within):
                return segment, spot.within
            found = found or (segment, spot.within)
        return found or (_constant(""), "1")

    def first(self, held: Segment | None, found: Segment) -> Segment:
        """The segment that is `held`, else the one `found`; that a further one is left out is an
        issue."""
        if held is None:
            return found
        self.issue(
            "segment_repeated",
            found.id,
            "A segment is repeated where only one of its kind is read; the first counts.",
        )
        return held

    def note_unplaced(self) -> None:
        """Report a note (NTE) that belongs to nothing which keeps notes."""
        self.issue("note_unplaced", "NTE", "A note follows a segment whose notes are not kept.")

    def absent(self, name: str) -> Segment:
        """An empty segment of that id: `part` then looks no further for it."""
        return Segment(name, "", self.message.delimiters, self.message.codec)

    def text(self, name: str, *at: Segment) -> str | None:
        """The value of a field: None if the sender says nothing, "" if it clears it."""
        segment, path = self.part(name, *at)
        return segment.value(path)

    def time_of(self, name: str, *at: Segment) -> datetime | None:
        """`time` of a field of `fields.FIELDS`."""
        read = self._time(*self.part(name, *at), name)
        return read.value if read else None

    def precise_of(self, name: str, *at: Segment) -> tuple[datetime | None, TimePrecision | None]:
        """`time_of` and the smallest part of it that was sent; None for both where none was."""
        return _precise(self._time(*self.part(name, *at), name))

    def precise(self, segment: Segment, path: str) -> tuple[datetime | None, TimePrecision | None]:
        """`time` and the smallest part of it that was sent; None for both where none was."""
        return _precise(self._time(segment, path))

    def date_of(self, name: str, *at: Segment) -> date | None:
        """`date` of a field of `fields.FIELDS`."""
        return self.date(*self.part(name, *at), name)

    def note_null(self, name: str, segment: Segment, path: str) -> None:
        """Keep in mind that a field of `fields.FIELDS` is null, for the record that comes next."""
        if name in NEEDED:
            self.not_cleared(f"{segment.id}-{path}")
        elif field := CLEARABLE.get(name):
            self.clear(field)

    def clear(self, field: str) -> None:
        """Keep in mind that the sender cleared a field of the record which comes next."""
        if field not in self._cleared:
            self._cleared.append(field)

    def not_cleared(self, path: str) -> None:
        """Report that the sender cleared what its record cannot be without."""
        self.issue(
            "not_cleared",
            path,
            'The sender cleared this field (""), but the record cannot be without it: what was'
            " stored stays. Ask the sender for the right value.",
        )

    def take_cleared(self) -> tuple[str, ...]:
        """The fields that the sender cleared of the record that came."""
        found = tuple(self._cleared)
        self._cleared.clear()
        return found

    def number_of(self, name: str, *at: Segment) -> Decimal | None:
        """`number` of a field of `fields.FIELDS`."""
        return self.number(*self.part(name, *at))

    def date(self, segment: Segment, path: str, name: str = "") -> date | None:
        """A calendar date; None if absent, null, open by dialect, or bad (with an issue). `name` is
        the field of `fields.FIELDS` that it is, of which a null is noted."""
        text = segment.value(path)
        if not text or text[:8] in self.config.open_dates:
            if text == "":
                self.note_null(name, segment, path)
            return None
        value, issue = parse_date(text, f"{segment.id}-{path}")
        self._keep(issue)
        return value

    def time(self, segment: Segment, path: str) -> datetime | None:
        """An aware time; None if absent, null, open by dialect, or bad (with an issue)."""
        read = self._time(segment, path)
        return read.value if read else None

    def _time(self, segment: Segment, path: str, name: str = "") -> Hl7Time | None:
        text = segment.value(path)
        if not text or text[:8] in self.config.open_dates:
            if text == "":
                self.note_null(name, segment, path)
            return None
        value, issue = parse_time(text, self._zone, f"{segment.id}-{path}")
        self._keep(issue)
        return value

    def number(self, segment: Segment, path: str) -> Decimal | None:
        """An exact decimal (HL7 NM); None if absent, null, bad or endless (with an issue)."""
        text = segment.value(path)
        if not text:
            return None
        try:
            value = Decimal(text.strip())
        except InvalidOperation:
            value = Decimal("NaN")
        if not is_storable(value):
            self.issue(
                "bad_number", f"{segment.id}-{path}", "This is not a number; it was left out."
            )
            return None
        return value

    def rank(self, segment: Segment, path: str) -> int | None:
        """A place in an order, from 0; None if absent, null, or no number that can be kept (with an
        issue)."""
        found = self.number(segment, path)
        if found is None or (found == found.to_integral_value() and 0 <= found <= MOST_RANK):
            return None if found is None else int(found)
        self.issue("bad_number", f"{segment.id}-{path}", "This is not a number; it was left out.")
        return None

    def label(self, name: str, *at: Segment) -> str | None:
        """The sensitivity label that a field of `fields.FIELDS` states: None where it says nothing,
        empty where it restricts nothing. A code that nobody knows restricts."""
        sent = self.text(name, *at)
        if sent is None:
            return None
        own: str | None = self.config.values.sensitivity.get(sent)
        found = label_of(sent) if own is None else own
        if sent and found is None:
            self.issue(
                "unknown_code",
                self.place(name, *at),
                "The confidentiality is in no table known; the record is treated as restricted.",
            )
            return RESTRICTED
        return found or ""

    def label_next(self, label: str | None) -> None:
        """Label the record that comes next."""
        self._label = label

    def take_label(self) -> str | None:
        """The label of the record that came, of its own or of all the message's records."""
        own, self._label = self._label, None
        stated = [label for label in (own, *self._labels_of_message()) if label is not None]
        return label_for_all(stated) if stated else None

    def _labels_of_message(self) -> Iterator[str | None]:
        """ARV (HL7 v2.8.2 §3.4.21): any segment may restrict; the dialect may name other places."""
        if self.config.places("record.sensitivity") != FIELDS["record.sensitivity"]:
            yield self.label("record.sensitivity")
            return
        for arv in self.message.all("ARV"):
            yield "" if arv.value("2.1") == "D" else self.label("record.sensitivity", arv)

    def place(self, name: str, *at: Segment) -> str:
        """Where a field stands, as issues name it."""
        segment, path = self.part(name, *at)
        return f"{segment.id}-{path}"

    def version(self) -> str:
        """The HL7 version of the message, as its dialect understands MSH-12; empty if unsaid."""
        sent = self.config.meant(12, self.message.value("MSH-12") or "")
        return self.config.version(sent) or sent

    def occurred_at(self) -> datetime | None:
        """When the event happened: EVN-6, EVN-2, MSH-7 (the message's own time)."""
        return self.occurred()[0]

    def occurred(self) -> tuple[datetime | None, TimePrecision | None]:
        """`occurred_at` and how exactly it was stated; read once."""
        if self._occurred is None:
            self._occurred = self._read_occurred()
        return self._occurred

    def _read_occurred(self) -> tuple[datetime | None, TimePrecision | None]:
        event, header = self.message.segment("EVN"), self.message.segment("MSH")
        for segment, path in ((event, "6"), (event, "2"), (header, "7")):
            found = self.precise(segment, path)
            if found[0] is not None:
                return found
        return None, None

    def take_issues(self) -> tuple[Issue, ...]:
        """The findings since the last call."""
        found = tuple(self.issues)
        self.issues.clear()
        return found

    def _segment(self, spot: Spot, at: tuple[Segment, ...]) -> Segment:
        if spot.occurrence == 1:
            for segment in at:
                if segment.id == spot.segment:
                    return segment
        return self.message.segment(spot.segment, spot.occurrence)

    def _keep(self, issue: Issue | None) -> None:
        if issue is not None and issue not in self.issues:
            self.issues.append(issue)


def _precise(read: Hl7Time | None) -> tuple[datetime | None, TimePrecision | None]:
    if read is None:
        return None, None
    return read.value, "second" if read.precision == "fraction" else read.precision


def _constant(text: str) -> Segment:
    return Segment("", f"|{text}", _USUAL, "ascii")
