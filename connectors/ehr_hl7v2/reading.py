"""One message while it is mapped: its dialect, its zone and the issues found so far."""

from __future__ import annotations

from datetime import date, datetime, tzinfo
from decimal import Decimal, InvalidOperation

from connectors.ehr_hl7v2.config import Config
from connectors.sdk.hl7v2.datetimes import parse_date, parse_time
from connectors.sdk.hl7v2.lexer import Message, Segment
from hub.domain.records import Issue


class Reading:
    """Reads typed values; what cannot be read becomes an issue and the value is left out."""

    def __init__(self, message: Message, config: Config, zone: tzinfo) -> None:
        self.message = message
        self.config = config
        self.issues: list[Issue] = list(message.issues)
        self._zone = zone

    def issue(self, code: str, path: str, text: str) -> None:
        """Note a finding once."""
        found = Issue(code, path, text)
        if found not in self.issues:
            self.issues.append(found)

    def date(self, segment: Segment, path: str) -> date | None:
        """A calendar date; None if absent, null, open by dialect, or bad (with an issue)."""
        text = segment.value(path)
        if not text or text[:8] in self.config.open_dates:
            return None
        value, issue = parse_date(text, f"{segment.id}-{path}")
        self._keep(issue)
        return value

    def time(self, segment: Segment, path: str) -> datetime | None:
        """An aware time; None if absent, null, open by dialect, or bad (with an issue)."""
        text = segment.value(path)
        if not text or text[:8] in self.config.open_dates:
            return None
        value, issue = parse_time(text, self._zone, f"{segment.id}-{path}")
        self._keep(issue)
        return value.value if value else None

    def number(self, segment: Segment, path: str) -> Decimal | None:
        """An exact decimal (HL7 NM); None if absent, null or bad (with an issue)."""
        text = segment.value(path)
        if not text:
            return None
        try:
            value = Decimal(text.strip())
        except InvalidOperation:
            value = Decimal("NaN")
        if not value.is_finite() or abs(value) >= Decimal(10) ** 15:
            self.issue(
                "bad_number", f"{segment.id}-{path}", "This is not a number; it was left out."
            )
            return None
        return value

    def occurred_at(self) -> datetime | None:
        """When the event happened: EVN-6, EVN-2, MSH-7 (the message's own time)."""
        event, header = self.message.segment("EVN"), self.message.segment("MSH")
        return self.time(event, "6") or self.time(event, "2") or self.time(header, "7")

    def take_issues(self) -> tuple[Issue, ...]:
        """The findings since the last call."""
        found = tuple(self.issues)
        self.issues.clear()
        return found

    def _keep(self, issue: Issue | None) -> None:
        if issue is not None and issue not in self.issues:
            self.issues.append(issue)
