"""Checks of a connector whose vendor calls us: its signatures, its secrets and its events."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Iterator, Sequence
from datetime import timedelta

from connectors.sdk.base import DocumentParser, RawDocument
from connectors.sdk.kit.attempts import told
from connectors.sdk.kit.model import DoesNotApply, check
from connectors.sdk.kit.receiving import (
    FIRST,
    OTHER,
    SECOND,
    SETTING,
    deliveries,
    genuine,
    is_taken,
    receive,
    scheme_of,
    settings,
)
from connectors.sdk.kit.subject import NOW, Subject
from connectors.sdk.signatures import SignatureInvalid
from connectors.sdk.simulator import Delivery
from hub.domain.records import Record
from hub.errors import ConfigError, HubError

_FUZZED = 300
_STALE = timedelta(minutes=20)
_HOSTILE = (
    b"", b"{}", b"[]", b"null", b'"x"', b"\xff\xfe\x00", b"<html></html>", b"[" * 100_000,
    b'{"id": NaN}', b'{"id": 1' + b"0" * 5000 + b"}", b"ISA*", b"MSH|^~\\&",
)  # fmt: skip


@check(
    "webhook",
    "What the vendor signs is taken, under one id however often it is sent; one byte changed, or"
    " the same JSON written anew, is not.",
    "Name the vendor's scheme in [webhook] of connector.toml; demo_deliveries of the simulator"
    " signs as the vendor does.",
)
def webhook_golden_signature(subject: Subject) -> Iterator[str]:
    scheme, sent, again = scheme_of(subject), deliveries(subject), _later(subject)
    webhook = subject.manifest.webhook
    if not sent:
        yield "the simulator sends no webhook, so that nothing is proven"
    ids = []
    for number, delivery in enumerate(sent):
        try:
            ids.append(receive(subject, delivery).id)
            repeated = receive(subject, again[number]).id
        except (SignatureInvalid, IndexError) as error:
            yield f"webhook {number}: what the vendor sends is refused: {error}"
            continue
        if repeated != ids[-1]:
            yield f"webhook {number}: sent again it has another id, and would count twice"
        if webhook is not None and delivery.content_type not in webhook.content_types:
            yield f"webhook {number}: its content type is not in content_types"
        if webhook is not None and len(delivery.body) > webhook.max_body_bytes:
            yield f"webhook {number}: it is longer than max_body_bytes"
        upper = {name.upper(): value for name, value in delivery.headers.items()}
        if not is_taken(subject, delivery, headers=upper):
            yield f"webhook {number}: the case of a header's name decides"
        if scheme.signs != "nothing" and any(_altered(subject, delivery)):
            yield f"webhook {number}: it is taken with a changed body"
        if is_taken(subject, delivery, secrets=(OTHER,)):
            yield f"webhook {number}: another secret opens it"
    if len(set(ids)) < len(ids):
        yield "two webhooks have one id, so that the second would be taken for a repeat"


def _later(subject: Subject) -> list[Delivery]:
    """The same webhooks sent again a little later."""
    return deliveries(subject, at=NOW + timedelta(seconds=20))


def _altered(subject: Subject, delivery: Delivery) -> Iterator[bool]:
    body = delivery.body
    place = len(body) // 2
    bodies = [body + b" ", body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]]
    with contextlib.suppress(ValueError):  # what is no JSON cannot be written anew
        bodies.append(json.dumps(json.loads(body), indent=1).encode())
    return (is_taken(subject, delivery, body=one) for one in bodies)


@check(
    "webhook",
    "Strange headers are refused and strange bodies rejected; neither ends in a crash.",
    "Read events with read_event of sdk.events, or raise DataError for what is no event.",
)
def webhook_hostile_headers(subject: Subject) -> Iterator[str]:
    found = genuine(subject)
    for delivery in found[:1]:
        for headers in _strange(delivery, scheme_of(subject).signature_header):
            try:
                if is_taken(subject, delivery, headers=headers):
                    yield "a strange signature is taken"
            except Exception as error:  # the very thing that is looked for
                yield f"strange headers end in {told(error)}"
    connector = subject.connector
    if not found or not isinstance(connector, DocumentParser):
        return
    config = subject.call(settings=settings((FIRST,))).ctx.config
    for body in (*_HOSTILE, *_mangled(found)):
        try:
            connector.parse(config, RawDocument(body, found[0].content_type))
        except HubError:
            continue
        except Exception as error:  # the very thing that is looked for
            yield f"a body that is none of the vendor's ends in {told(error)}"


def _strange(delivery: Delivery, signature: str) -> Iterator[dict[str, str]]:
    chance = random.Random(1)  # noqa: S311 - repeatable, nothing secret
    texts = ["", " ", ",", "v1,", "v1", "=", "t=1,v1=", "\x00", "é" * 40, "v1," * 5000, "9" * 400]
    for _ in range(_FUZZED):
        noise = "".join(chr(chance.randrange(1, 0x250)) for _ in range(chance.randrange(60)))
        headers = {
            name: chance.choice([value, noise, *texts]) for name, value in delivery.headers.items()
        }
        real = next(n for n in delivery.headers if n.lower() == signature)
        if headers[real] == delivery.headers[real]:
            headers[real] = noise
        yield headers


def _mangled(found: Sequence[Delivery]) -> Iterator[bytes]:
    """The vendor's own events with each key of their frame gone, or of another type."""
    for delivery in found:
        try:
            event = json.loads(delivery.body)
        except ValueError:
            yield delivery.body[: len(delivery.body) // 2]
            continue
        for key in event if isinstance(event, dict) else ():
            yield json.dumps({name: v for name, v in event.items() if name != key}).encode()
            others: tuple[object, ...] = (None, 7, [], {}, "kit")
            for other in others:
                yield json.dumps({**event, key: other}).encode()


@check(
    "webhook",
    "Without a secret nothing is taken, and no secret is there unless a person sets it.",
    f"Give Config a setting {SETTING}: tuple[Secret, ...] = ().",
)
def webhook_no_secret_means_reject(subject: Subject) -> Iterator[str]:
    usual = subject.registry.validate_config(subject.id, subject.fit.config("kit"))
    if getattr(usual, SETTING, ()):
        yield f"{SETTING} has a default: whoever knows it may send"
    for number, delivery in enumerate(deliveries(subject)):
        if is_taken(subject, delivery, secrets=()):
            yield f"webhook {number} is taken without a secret"


@check(
    "webhook",
    "While one secret replaces another both are good, and no third one.",
    f"Let {SETTING} hold two references.",
)
def webhook_two_secrets(subject: Subject) -> Iterator[str]:
    if not genuine(subject):
        return
    both = (FIRST, SECOND)
    for name, secret in (("the old", FIRST), ("the new", SECOND)):
        for delivery in deliveries(subject, secret=secret)[:1]:
            try:
                if not is_taken(subject, delivery, secrets=both):
                    yield f"{name} secret of two is refused"
            except ConfigError as error:
                yield f"two secrets cannot be set: {error}"
                return
    for delivery in deliveries(subject, secret=OTHER)[:1]:
        if is_taken(subject, delivery, secrets=both):
            yield "a third secret is good"


@check(
    "webhook",
    "Events that come twice, or in another order, end in the same state.",
    "Give each record the vendor's own key and the time of its event, or each document its own"
    " key.",
)
def webhook_duplicate_and_out_of_order(subject: Subject) -> Iterator[str]:
    connector = subject.connector
    if not isinstance(connector, DocumentParser):
        raise DoesNotApply("nothing reads the events")
    found = genuine(subject)
    if not found:
        return
    config = subject.call(settings=settings((FIRST,))).ctx.config
    read = [
        connector.parse(config, RawDocument(one.body, one.content_type)).records for one in found
    ]
    records = [record for group in read for record in group]
    if len(records) < 2:
        yield "the simulator sends fewer than two events with a record, so that nothing is proven"
    final = _applied(records)
    for how, order in (
        ("backwards", records[::-1]),
        ("twice", [*records, *records]),
        ("with the first one last", [*records[1:], *records[:1]]),
    ):
        if _applied(order) != final:
            yield f"events that come {how} end in another state"


def _applied(records: Sequence[Record]) -> dict[str, object]:
    """What the engine holds: it keeps what is newer by its own time."""
    held: dict[str, Record] = {}
    for record in records:
        known = held.get(record.external_id)
        at, before = record.occurred_at, known.occurred_at if known else None
        if known is None or at is None or before is None or at >= before:
            held[record.external_id] = record
    return {key: (record.op, record.data) for key, record in held.items()}


@check(
    "webhook",
    "What was recorded on the way and is sent again later has no effect.",
    "Keep the tolerance of the scheme, 300 seconds; where it signs no time, the id of the signed"
    " body recognises a repeat.",
)
def webhook_stale_future_replay(subject: Subject) -> Iterator[str]:
    if not genuine(subject) or scheme_of(subject).tolerance is None:
        return  # without a signed time the golden check proves that the id stays
    for when, at in (("old", NOW - _STALE), ("from the future", NOW + _STALE)):
        for number, delivery in enumerate(deliveries(subject, at=at)):
            if is_taken(subject, delivery):
                yield f"webhook {number} is taken although it is {_STALE} {when}"


CHECKS = (
    webhook_golden_signature,
    webhook_hostile_headers,
    webhook_no_secret_means_reject,
    webhook_two_secrets,
    webhook_duplicate_and_out_of_order,
    webhook_stale_future_replay,
)
