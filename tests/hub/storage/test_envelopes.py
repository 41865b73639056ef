"""Envelopes of jobs: what was sealed opens, and nothing else does."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from hub.domain.agreements import practice_scope, unrestricted_scope
from hub.domain.jobs import Job
from hub.errors import BadEnvelope
from hub.storage import queue
from hub.storage.crypto import Crypto
from hub.storage.envelopes import LABEL, Envelope, Envelopes, trace_of
from hub.storage.key_encryption import HeldKeys, LocalKey
from hub.storage.keyring import Keyring
from hub.storage.session import Database
from hub.storage.tables import JobRow

SCOPE = unrestricted_scope("test")
ASKED = Envelope("client", "a desk. And a dot", 7)
ARGS = {"b": [1, {"y": True, "x": None}], "a": "id"}


@pytest.fixture
def envelopes() -> Envelopes:
    found = Envelopes()
    found.use(bytes(32))
    return found


def test_what_was_sealed_opens(envelopes: Envelopes) -> None:
    sealed = envelopes.seal(ASKED, "a.kind", "north", ARGS)
    assert envelopes.open(sealed, "a.kind", "north", dict(reversed(ARGS.items()))) == ASKED


@pytest.mark.parametrize(
    ("kind", "practice_id", "args"),
    [
        ("another.kind", "north", ARGS),
        ("a.kind", "south", ARGS),
        ("a.kind", None, ARGS),
        ("a.kind", "north", {**ARGS, "a": "another"}),
        ("a.kind", "north", {**ARGS, "c": 1}),
    ],
)
def test_another_job_does_not_open(
    envelopes: Envelopes, kind: str, practice_id: str | None, args: dict[str, Any]
) -> None:
    sealed = envelopes.seal(ASKED, "a.kind", "north", ARGS)
    with pytest.raises(BadEnvelope):
        envelopes.open(sealed, kind, practice_id, args)


@pytest.mark.parametrize("sealed", ["", "1", "1..", "1.é.0..hub", "2.x.7.client.name"])
def test_what_is_no_envelope_does_not_open(envelopes: Envelopes, sealed: str) -> None:
    with pytest.raises(BadEnvelope):
        envelopes.open(sealed, "a.kind", "north", ARGS)


def test_another_principal_or_version_does_not_open(envelopes: Envelopes) -> None:
    sealed = envelopes.seal(ASKED, "a.kind", "north", ARGS)
    for other in (sealed.replace(".client.", "."), sealed.replace(".7.", ".8.")):
        with pytest.raises(BadEnvelope):
            envelopes.open(other, "a.kind", "north", ARGS)


def test_without_a_key_nothing_opens(envelopes: Envelopes) -> None:
    none = Envelopes()
    assert none.seal(ASKED, "a.kind", "north", ARGS) == ""
    for sealed in ("", envelopes.seal(ASKED, "a.kind", "north", ARGS)):
        with pytest.raises(BadEnvelope):
            none.open(sealed, "a.kind", "north", ARGS)


def key(database: Database, now: datetime, *keys: bytes) -> bytes:
    source = HeldKeys([LocalKey(each) for each in keys])
    return Crypto(Keyring(source, database, lambda: now)).subkey(LABEL)


def test_a_rotated_key_encryption_key_leaves_what_waits_valid(
    database: Database, now: datetime
) -> None:
    assert key(database, now, bytes(32)) == key(database, now, bytes(32), bytes(range(32)))


def test_added_jobs_carry_who_asked_and_waiting_ones_are_signed_at_the_upgrade(
    database: Database, now: datetime
) -> None:
    old = database.transaction(SCOPE, lambda s: queue.add(s, Job.PRUNE, ARGS, now=now))
    database.envelopes.use(bytes(32))
    scope = practice_scope("north")
    many = [queue.NewJob(Job.PRUNE, {"n": n}, practice_id="north") for n in range(2)]
    database.transaction(scope, lambda s: queue.add_many(s, many, now=now))
    database.transaction(SCOPE, queue.sign_waiting)
    with database.read(SCOPE) as session:
        rows = [session.get_one(JobRow, old + n) for n in range(3)]
    found = [database.envelopes.open(r.envelope, r.kind, r.practice_id, r.args) for r in rows]
    assert found == [Envelope("", "hub: test", 0), *[Envelope("", "hub", 0)] * 2]


def test_a_trace_travels_unsigned_and_opens_nothing() -> None:
    envelopes = Envelopes()
    envelopes.use(b"k" * 32)
    asked = Envelope("client", "a name", 3)
    carried = "-" + "a" * 32 + "b" * 16 + "01"
    sealed = envelopes.seal(asked, "kind", None, {"n": 1}, carried)
    assert trace_of(sealed) == carried
    assert envelopes.open(sealed, "kind", None, {"n": 1}) == asked
    assert trace_of(envelopes.seal(asked, "kind", None, {"n": 1})) == ""
    for forged in ("2" + sealed[1:], "1x" + sealed[1:], sealed.replace("a name", "another")):
        with pytest.raises(BadEnvelope):
            envelopes.open(forged, "kind", None, {"n": 1})
