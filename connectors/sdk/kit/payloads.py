"""What the other side says to a connector, and what comes of saying it otherwise."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from connectors.sdk.base import DocumentParser, EligibilityClient, RawDocument
from connectors.sdk.kit.attempts import attempt
from connectors.sdk.kit.shapes import ROWS, Json, Shape, shape_of
from connectors.sdk.kit.subject import QUERY, TYPES, Subject
from connectors.sdk.kit.wire import changed
from hub.domain.records import Issue, Page, Record, RejectedRecord


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of a payload: records, what was said of them, or the error it ended in."""

    records: tuple[Record, ...] = ()
    rejected: tuple[RejectedRecord, ...] = ()
    issues: tuple[Issue, ...] = ()
    error: BaseException | None = None

    @property
    def told(self) -> tuple[Issue, ...]:
        """Every issue, those of records and of rejected rows among them."""
        of_records = (issue for record in self.records for issue in record.issues)
        return (*self.issues, *of_records, *(row.issue for row in self.rejected))

    def names(self, keys: Collection[str]) -> bool:
        """Whether an issue or the error says by its path that it is about one of `keys`."""
        paths = [*(issue.path for issue in self.told), str(getattr(self.error, "path", ""))]
        return any(key in path for path in paths for key in keys)


@dataclass(frozen=True, slots=True)
class Payload:
    """One page of a stream, one answer or one document, with the connector's reading of it.

    `rows` is where the rows of a page stand, which are records by themselves, and `count` how many.
    """

    where: str
    kind: Literal["page", "answer", "document"]
    content: bytes
    shape: Shape
    clean: Reading
    read: Callable[[bytes], Reading]
    rows: str | None = None
    count: int = 0

    def is_row(self, place: str) -> bool:
        """Whether a place is in a row, whose loss loses no other."""
        return self.rows is not None and place.startswith(self.rows + ROWS)


def payloads(subject: Subject) -> list[Payload]:
    """What can be taken apart of all that the connector reads here."""
    if subject.payloads is None:
        subject.payloads = list(_payloads(subject))
    return subject.payloads


def _payloads(subject: Subject) -> Iterator[Payload]:
    for where, kind, content, read in _sources(subject):
        shape = shape_of(content)
        if shape is None:
            continue
        clean = read(content)
        if clean.error is None and clean.records:
            keys = [r.external_id for r in clean.records] + [row.ref for row in clean.rejected]
            listed = shape.list_of(keys) if kind == "page" and isinstance(shape, Json) else None
            rows = listed[0] if listed else None
            yield Payload(where, kind, content, shape, clean, read, rows, len(keys))


_Found = tuple[str, Literal["page", "answer", "document"], bytes, Callable[[bytes], Reading]]


def _sources(subject: Subject) -> Iterator[_Found]:
    if "source" in subject.scopes:
        for spec in subject.specs:
            read = _page_of(subject.first_page(spec.name))
            content, place = _first_answer(subject, read)
            yield f"stream {spec.name}", "page", content, _over(subject, read, place)
    connector = subject.connector
    if isinstance(connector, EligibilityClient) and "http" in subject.scopes:
        inquire = connector.inquire

        def asked(ctx: Any) -> Reading:
            result = inquire(ctx, QUERY).result
            return Reading((Record("kit", result),), issues=result.warnings)

        content, place = _first_answer(subject, asked)
        yield "an inquiry", "answer", content, _over(subject, asked, place)
    if isinstance(connector, DocumentParser):
        for case in subject.cases():
            if subject.stream_of(case) is None:
                kind = TYPES.get(case.suffix, "")
                yield f"fixture {case.name}", "document", case.read_bytes(), _parser(subject, kind)


def _page_of(ask: Callable[[Any], Page]) -> Callable[[Any], Reading]:
    def read(ctx: Any) -> Reading:
        page = ask(ctx)
        return Reading(page.records, page.rejected)

    return read


def _first_answer(subject: Subject, ask: Callable[[Any], Reading]) -> tuple[bytes, int]:
    """The body of the last answer that a call takes, and its number."""
    call = subject.call()
    ask(call.ctx)
    return call.wire.answers[-1], len(call.wire.answers)


def _over(
    subject: Subject, ask: Callable[[Any], Reading], place: int
) -> Callable[[bytes], Reading]:
    def read(content: bytes) -> Reading:
        error, found = attempt(subject.call(changed(lambda _: content), place), ask)
        return Reading(error=error) if error is not None else found

    return read


def _parser(subject: Subject, content_type: str) -> Callable[[bytes], Reading]:
    parse = subject.connector.parse  # type: ignore[attr-defined]
    config = subject.call(settings=subject.case_settings).ctx.config

    def read(content: bytes) -> Reading:
        try:
            found = parse(config, RawDocument(content, content_type))
        except Exception as error:  # whatever it raises is judged by the checks
            return Reading(error=error)
        own = {id(issue) for record in found.records for issue in record.issues}
        issues = tuple(issue for issue in found.issues if id(issue) not in own)
        return Reading(found.records, issues=issues)

    return read
