"""Checks of how a connector reads what a vendor has changed: words, keys, types and bad rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, get_origin

from connectors.sdk.kit.attempts import told
from connectors.sdk.kit.model import DoesNotApply, check
from connectors.sdk.kit.payloads import Payload, Reading, payloads
from connectors.sdk.kit.record_checks import choices, values_of
from connectors.sdk.kit.shapes import ROWS, Absent, Json, Segments
from connectors.sdk.kit.subject import Subject
from hub.errors import HubError

NEW_WORD = "KITWORD"
CANARY = "kit canary 8c1f"


def _tried(
    subject: Subject, places: Callable[[Payload], tuple[str, ...]], change: Callable[[Any], Any]
) -> Iterator[tuple[str, Payload, Reading]]:
    """Each place of the payloads changed in turn, once per place and kind of payload."""
    found, seen = payloads(subject), set()
    if not any(places(payload) for payload in found):
        raise DoesNotApply("nothing that is read here can be taken apart")
    for payload in found:
        stem = payload.where if isinstance(payload.shape, Json) else payload.kind
        for place in places(payload):
            if (stem, place) in seen:
                continue
            seen.add((stem, place))
            reading = payload.read(payload.shape.changed(place, change))
            yield place, payload, reading


def _keys(payload: Payload, place: str) -> tuple[str, ...]:
    """The names in a place one of which a path repeats: the key, or the object in which it is
    missing where that is not the row itself."""
    inner = place.removeprefix(payload.rows + ROWS) if payload.is_row(place) else place  # type: ignore[operator]
    return tuple(key for key in inner.replace(ROWS, "").split(".")[-2:] if key)


@check(
    "reader",
    "A word that the vendor adds to a list of its own loses no record: it is unknown, with an"
    " issue.",
    "Read a word by a table whose default is the record's unknown: Issues.word of sdk.rows.",
)
def unknown_enum_survives(subject: Subject) -> Iterator[str]:
    def words(payload: Payload) -> tuple[str, ...]:
        found = payload.shape.words()
        return tuple(p for p in found if payload.kind != "page" or payload.is_row(p))

    for place, payload, reading in _tried(subject, words, lambda _: NEW_WORD):
        where = f"{payload.where}: {place}"
        refused = isinstance(reading.error, HubError) and (
            isinstance(payload.shape, Segments)
            # the word that says what a document is may refuse the document, by its name
            or (payload.kind == "document" and reading.names(_keys(payload, place)))
        )
        if reading.error is not None and not refused:
            yield f"{where} with a new word ends in {told(reading.error)}"
        elif not refused and payload.kind == "page" and len(reading.records) < payload.count:
            yield f"{where} with a new word loses the record"
        elif not refused:
            yield from (f"{where}: {what}" for what in _unsaid(payload.clean, reading))


def _unsaid(clean: Reading, reading: Reading) -> Iterator[str]:
    """What a new word changed among the words of the records without an issue that says so."""
    if len(clean.records) != len(reading.records) or len(reading.told) > len(clean.told):
        return
    for before, after in zip(clean.records, reading.records, strict=True):
        if type(before.data) is not type(after.data):
            continue
        old, new = list(_words_of(before.data)), list(_words_of(after.data))
        for (path, was), (_, is_now) in zip(old, new, strict=False):
            if len(old) == len(new) and was != is_now:
                yield f"a new word changes {path} and nothing says so"
                return


def _words_of(data: object) -> Iterator[tuple[str, Any]]:
    """The fields of a record that hold one of the hub's words."""
    for path, value, hint in values_of(data):
        if any(get_origin(choice) is Literal for choice in choices(hint)):
            yield path, value


@check(
    "reader",
    "What the vendor adds to its payloads changes nothing that is read, and stays in the bytes"
    " kept.",
    'Read rows with models whose extra is "ignore": Row and Part of sdk.rows.',
)
def extra_fields_ignored(subject: Subject) -> Iterator[str]:
    found = payloads(subject)
    if not found:
        raise DoesNotApply("nothing that is read here can be taken apart")
    for payload in found:
        reading = payload.read(payload.shape.with_more())
        if reading.error is not None:
            yield f"{payload.where}: more than was announced ends in {told(reading.error)}"
        elif reading.rejected != payload.clean.rejected:
            yield f"{payload.where}: a row with a new key is rejected"
        elif _data(reading) != _data(payload.clean):
            yield f"{payload.where}: what was not announced changes the records"


def _data(reading: Reading) -> list[tuple[str, object]]:
    return [(record.external_id, record.data) for record in reading.records]


@check(
    "reader",
    "A key that is missing costs at most its row, which is then rejected by the key's name.",
    "Give optional keys of a Row a default; let read_rows reject a row without a required one.",
)
def missing_optional_fields(subject: Subject) -> Iterator[str]:
    every = _tried(subject, lambda payload: payload.shape.places(), lambda _: Absent)
    for place, payload, reading in every:
        where = f"{payload.where}: {place}"
        yield from (f"{where} left out {what}" for what in _lost(payload, reading, place))


@check(
    "reader",
    "A value whose type the vendor has changed is never taken for one: the row, or the answer, is"
    " refused by its path.",
    "Declare the type of every key that is read; raise ContractDrift with a path for a page.",
)
def drift_names_the_path(subject: Subject) -> Iterator[str]:
    def of_json(payload: Payload) -> tuple[str, ...]:
        return payload.shape.places() if isinstance(payload.shape, Json) else ()

    for place, payload, reading in _tried(subject, of_json, lambda _: {"kit": [CANARY]}):
        where = f"{payload.where}: {place}"
        if any(CANARY in repr(record.data) for record in reading.records):
            yield f"{where} of another type is taken for a value"
        said = " ".join(issue.text for issue in reading.told) + str(reading.error or "")
        if CANARY in said:
            yield f"{where} of another type is quoted"
        yield from (f"{where} of another type {what}" for what in _lost(payload, reading, place))


def _lost(payload: Payload, reading: Reading, place: str) -> Iterator[str]:
    """What is wrong with how a change of one place was taken."""
    keys = _keys(payload, place)
    if reading.error is not None and not isinstance(reading.error, HubError):
        yield f"ends in {told(reading.error)}"
    elif isinstance(payload.shape, Segments):
        return  # every segment is optional somewhere; a refusal says where it reads
    elif reading.error is not None:
        if payload.is_row(place):
            yield f"loses the whole page ({told(reading.error)})"
        elif not reading.names(keys):
            yield f"ends in {told(reading.error)}, which does not name it"
    elif len(reading.rejected) > len(payload.clean.rejected) and not reading.names(keys):
        yield "rejects rows without naming it"
    elif payload.is_row(place) and len(reading.records) + len(reading.rejected) < payload.count:
        yield "loses rows"


@check(
    "source",
    "One row that cannot be read is rejected alone, with its bytes; the rest of its page goes on.",
    "Decode row by row: read_rows of sdk.rows.",
)
def bad_row_is_rejected_alone(subject: Subject) -> Iterator[str]:
    usable = [payload for payload in payloads(subject) if payload.rows is not None]
    if not any(payload.count > 1 for payload in usable):
        raise DoesNotApply("no stream has a page of several rows in JSON")
    for payload in usable:
        content = _with_bad_row(payload)
        reading = payload.read(content)
        if reading.error is not None:
            yield f"{payload.where}: a bad row ends in {told(reading.error)}"
            continue
        if _data(reading) != _data(payload.clean)[1:]:
            yield f"{payload.where}: a bad row changes what is read of the others"
        new = reading.rejected[: len(reading.rejected) - len(payload.clean.rejected)]
        if len(new) != 1:
            yield f"{payload.where}: a bad row is not among the rejected"
        elif CANARY.encode() not in new[0].raw:
            yield f"{payload.where}: the bytes of the rejected row are not kept"
        elif CANARY in new[0].issue.text + new[0].issue.path:
            yield f"{payload.where}: the issue of the rejected row quotes it"


def _with_bad_row(payload: Payload) -> bytes:
    """The page with its first row spoilt."""
    shape, place = payload.shape, payload.rows or ""

    def spoil(rows: list[Any]) -> list[Any]:
        return [{"kit": CANARY}, *rows[1:]]

    if not place and isinstance(shape, Json):
        return Json(spoil(shape.document)).changed("", lambda _: Absent)
    return shape.changed(place, spoil)


CHECKS = (
    unknown_enum_survives,
    extra_fields_ignored,
    missing_optional_fields,
    bad_row_is_rejected_alone,
    drift_names_the_path,
)
