"""The report on a feed: as plain values, and as text for the engineer who connects it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from connectors.sdk.hl7v2.conformance import Finding
from hub.entrypoints.hl7_routes import Hl7Connection
from hub.entrypoints.onboarding.profile import Profile

MOST_LINES = 40
Report = dict[str, Any]


def build(
    profile: Profile, conformance: Counter[Finding], looked_at: int, connection: Hl7Connection
) -> Report:
    """Everything found, ready for JSON. `looked_at` is how many messages hl7apy saw."""
    routed = set(connection.facilities)
    return {
        "files": profile.files,
        "messages": profile.messages,
        "types": dict(profile.types.most_common()),
        "versions": dict(profile.versions.most_common()),
        "charsets": dict(profile.charsets.most_common()),
        "senders": dict(profile.senders.most_common()),
        "facilities": [
            {"facility": name, "messages": count, "routed": name in routed}
            for name, count in profile.facilities.most_common()
        ],
        "line_ends": dict(profile.warnings),
        "segments": dict(profile.segments.most_common()),
        "z_segments": {n: c for n, c in profile.segments.most_common() if n.startswith("Z")},
        "fields": [
            {
                "path": path,
                "messages": use.messages,
                "times": use.times,
                "longest": use.longest,
                "repetitions": use.repetitions,
            }
            for path, use in sorted(profile.fields.items(), key=lambda item: _place(item[0]))
        ],
        "answers": dict(profile.answers.most_common()),
        "refused": [
            {"answer": answer, "code": code, "path": path, "why": why, "messages": count}
            for (answer, code, path, why), count in profile.refusals.most_common()
        ],
        "records": dict(profile.records.most_common()),
        "not_read": [
            {"code": code, "path": path, "why": why, "messages": count}
            for (code, path, why), count in profile.unread.most_common()
        ],
        "issues": [
            {"code": code, "path": path, "times": count}
            for (code, path), count in profile.issues.most_common()
        ],
        "unmapped_codes": [
            {"path": path, "code": code, "times": count}
            for (path, code), count in profile.codes.most_common()
        ],
        "conformance": {
            "messages": looked_at,
            "findings": [
                {"code": finding.code, "path": finding.path, "messages": count}
                for finding, count in conformance.most_common()
            ],
        },
    }


def is_ready(report: Report) -> bool:
    """Whether every message would be accepted and read."""
    return bool(report["messages"]) and not report["refused"] and not report["not_read"]


def text(report: Report, name: str) -> Iterator[str]:
    """The report in lines."""
    yield f"{name}: {report['messages']} messages in {report['files']} files"
    for heading, key in (
        ("Types and events", "types"),
        ("Versions (MSH-12)", "versions"),
        ("Character sets (MSH-18)", "charsets"),
        ("Senders (MSH-3)", "senders"),
        ("Answers at the door", "answers"),
        ("Records read", "records"),
        ("Z segments", "z_segments"),
    ):
        yield from _counted(heading, report[key])
    yield from _rows("Facilities", report["facilities"], _facility)
    yield from _rows("Refused at the door", report["refused"], _refused)
    yield from _rows("Accepted, but not read", report["not_read"], _not_read)
    yield from _rows("Not understood", report["issues"], "{times:>6}  {code}  {path}")
    yield from _rows("Codes in no table", report["unmapped_codes"], "{times:>6}  {path}  {code}")
    of = report["conformance"]
    heading = f"Against the standard ({of['messages']} messages looked at)"
    yield from _rows(heading, of["findings"], "{messages:>6}  {code}  {path}")
    yield from _rows(
        "Fields used (messages, longest, most repetitions)",
        report["fields"],
        "{messages:>6}  {path:<9} {longest:>6} {repetitions:>4}",
        most=len(report["fields"]),
    )
    yield ""
    yield (
        "Every message would be accepted and read."
        if is_ready(report)
        else "Not ready: see what is refused or not read above."
    )


_REFUSED = "{messages:>6}  {answer} {code}  {path}  {why}"
_NOT_READ = "{messages:>6}  {code}  {path}  {why}"


def _refused(row: Mapping[str, Any]) -> str:
    return _REFUSED.format(**row)


def _not_read(row: Mapping[str, Any]) -> str:
    return _NOT_READ.format(**row)


def _facility(row: Mapping[str, Any]) -> str:
    return f"{row['messages']:>6}  {row['facility']}{'' if row['routed'] else '  NOT ROUTED'}"


def _counted(heading: str, counts: Mapping[str, int]) -> Iterator[str]:
    yield from _rows(heading, [{"name": n, "count": c} for n, c in counts.items()], _count)


def _count(row: Mapping[str, Any]) -> str:
    return f"{row['count']:>6}  {row['name']}"


def _rows(
    heading: str, rows: Iterable[Mapping[str, Any]], line: Any, most: int = MOST_LINES
) -> Iterator[str]:
    listed = list(rows)
    if not listed:
        return
    yield ""
    yield heading
    for row in listed[:most]:
        yield (line.format(**row) if isinstance(line, str) else line(row)).rstrip()
    if len(listed) > most:
        yield f"        and {len(listed) - most} more; --json lists all"


def _place(path: str) -> tuple[bool, str, int]:
    """MSH first, then by segment and field."""
    segment, _, number = path.partition("-")
    return segment != "MSH", segment, int(number)
