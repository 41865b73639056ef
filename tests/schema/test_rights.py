"""Rights that are kept between requests: gone with the change that ends them, in every process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import delete, update
from starlette.testclient import TestClient

from hub.auth.credentials import revoke_client
from hub.auth.documents import add_document, client_named, remove_document
from hub.auth.rights import Holding, Known, next_change
from hub.domain.agreements import AgreementTerm, Domain, Granularity, Purpose, unrestricted_scope
from hub.entrypoints.graphql_operations import Operations
from hub.entrypoints.web import create_app
from hub.settings import Settings
from hub.storage.session import Database
from hub.storage.tables import Practice, ServiceAgreement
from schema.documents import digest_of

SCOPE = unrestricted_scope("test")
NAMES = "{ patients { nodes { familyName } } }"


@pytest.fixture(params=["the same process", "another process"])
def change(request, world) -> Iterator[Callable[[Callable[[Any], Any]], Any]]:
    """Runs work in a transaction, here or as another process would."""
    if request.param == "the same process":
        yield lambda work: world.database.transaction(SCOPE, work)
        return
    other = Database(world.database.url)
    yield lambda work: other.transaction(SCOPE, work)
    other.close()


def names(answer: Any) -> list[str]:
    return [node["familyName"] for node in answer["patients"]["nodes"]]


def test_a_second_query_looks_nothing_up(world, monkeypatch):
    practice = world.practice("North")
    world.patients(practice, 1)
    app = world.app(practice)
    assert len(names(app.data(NAMES))) == 1

    def refuse(*_: object) -> None:
        raise AssertionError("looked up again")

    monkeypatch.setattr(Operations, "_look_up", refuse)
    assert len(names(app.data(NAMES))) == 1
    assert len(app.data("{ practices { nodes { name } } }")["practices"]["nodes"]) == 1


def test_a_revoked_credential_gets_no_further_answer(world, change):
    practice = world.practice("North")
    world.patients(practice, 1)
    app = world.app(practice, "app")
    for query in (NAMES, "{ __typename }", "{ patients { nodes { age } } }"):
        app.data(query)
    change(lambda session: revoke_client(session, "app", now=world.now))
    for query in (NAMES, "{ __typename }", "{ patients { nodes { age } } }", "{ nonsense }"):
        assert app.raw({"query": query}).status_code == 401


def test_a_revoked_credential_is_not_told_that_its_answer_still_holds(world, change):
    app = world.app(world.practice("North"), "app")
    asked = {"query": "{ practices { nodes { name } } }"}
    tag = app.http.request("QUERY", "/graphql", json=asked, headers=app.headers).headers["ETag"]
    headers = {**app.headers, "If-None-Match": tag}
    answer = app.http.request("QUERY", "/graphql", json=asked, headers=headers)
    assert answer.status_code == 304
    change(lambda session: revoke_client(session, "app", now=world.now))
    answer = app.http.request("QUERY", "/graphql", json=asked, headers=headers)
    assert answer.status_code == 401
    assert "ETag" not in answer.headers


def test_an_agreement_that_ends_is_gone_from_the_next_answer(world, change):
    practice = world.practice("North")
    world.patients(practice, 2)
    world.agreement(practice, Domain.CLINICAL)
    mso = world.mso()
    assert len(names(mso.data(NAMES))) == 2
    change(lambda session: session.execute(update(ServiceAgreement).values(granularity="LIMITED")))
    assert names(mso.data(NAMES)) == [None, None]
    change(lambda session: session.execute(delete(ServiceAgreement)))
    assert names(mso.data(NAMES)) == []
    world.agreement(practice, Domain.CLINICAL)
    assert len(names(mso.data(NAMES))) == 2


def test_a_document_that_is_taken_away_is_refused(world, change):
    practice = world.practice("North")
    app = world.app(practice, "app")
    digest = digest_of(NAMES)
    change(
        lambda session: add_document(
            session, client_named(session, "app"), digest=digest, name="names", text=NAMES,
            purpose=Purpose.OPERATIONS, cost=1, now=world.now,
        )
    )  # fmt: skip
    asked = {"documentId": f"sha256:{digest}"}
    assert "data" in app.raw(asked).json()
    change(lambda session: remove_document(session, client_named(session, "app"), digest))
    assert app.raw(asked).json()["errors"][0]["extensions"]["code"] == "NOT_FOUND"


def test_an_agreement_ends_at_midnight_where_the_practice_is(database, crypto, now, world):
    practice = world.practice("North")  # in Chicago, six hours behind
    world.patients(practice, 1)
    world.agreement(practice, Domain.CLINICAL, ends_on=date(2026, 3, 3))
    moment = [now]
    hub = SimpleNamespace(
        settings=Settings(_env_file=None), database=database, crypto=crypto, now=lambda: moment[0]
    )
    with TestClient(create_app(hub, connectors=[]), base_url="http://localhost") as http:
        mso = replace(world.mso(), http=http)
        assert len(names(mso.data(NAMES))) == 1
        moment[0] = datetime(2026, 3, 3, 5, 59, 59, tzinfo=UTC)
        assert len(names(mso.data(NAMES))) == 1
        moment[0] += timedelta(seconds=1)
        assert names(mso.data(NAMES)) == []
        moment[0] = now
        assert len(names(mso.data(NAMES))) == 1


def test_a_practice_that_moves_to_another_time_zone_counts_as_a_change(world, now):
    practice = world.practice("North")
    world.patients(practice, 1)
    world.agreement(practice, Domain.CLINICAL, starts_on=date(2026, 3, 3))
    mso = world.mso()
    assert names(mso.data(NAMES)) == []  # it is still the day before in Chicago

    def move(session: Any) -> None:
        session.get(Practice, practice).zone = "Pacific/Kiritimati"  # 14 hours ahead

    world.database.transaction(SCOPE, move)
    assert len(names(mso.data(NAMES))) == 1


def test_two_hundred_requests_of_two_principals_never_cross(world):
    apps = []
    for name in ("North", "South"):
        practice = world.practice(name)
        world.patients(practice, 1, prefix=name)
        apps.append((f"{name}0000", world.app(practice)))
    for turn in range(200):
        own, app = apps[turn % 2]
        assert names(app.data(NAMES)) == [own]


def test_a_purpose_that_is_no_text_is_not_taken_for_none(world):
    app = world.app(world.practice("North"))
    app.data(NAMES)
    for stated in (5, [], {}, True, "", "NONSENSE"):
        answer = app.raw({"query": NAMES, "extensions": {"purpose": stated}}).json()
        assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"


def test_what_is_kept_holds_for_its_time_and_is_bounded(now):
    known: Known[int] = Known(2)
    known.put("a", Holding(1, now, now + timedelta(hours=1)))
    assert known.get("a", now) == 1
    assert known.get("a", now + timedelta(hours=1)) is None
    known.put("a", Holding(1, now, None))
    assert known.get("a", now - timedelta(seconds=1)) is None
    for number in range(5):
        known.put(number, Holding(number, now, None))
    assert [known.get(number, now) for number in range(5)] == [None, None, None, 3, 4]


def test_the_next_change_is_the_first_day_to_begin_or_end():
    def term(zone: str, starts_on: date, ends_on: date | None) -> AgreementTerm:
        return AgreementTerm(
            practice_id="p",
            practice_zone=zone,
            domain=Domain.CLINICAL,
            granularity=Granularity.ROW,
            purposes=frozenset(),
            starts_on=starts_on,
            ends_on=ends_on,
        )

    now = datetime(2026, 3, 2, 15, tzinfo=UTC)
    terms = [
        term("America/Chicago", date(2026, 1, 1), date(2026, 3, 3)),
        term("Europe/Berlin", date(2026, 3, 3), None),
        term("UTC", date(2026, 3, 2), None),
    ]
    assert next_change(terms, now) == datetime(2026, 3, 2, 23, tzinfo=UTC)
    assert next_change(terms[:1], now) == datetime(2026, 3, 3, 6, tzinfo=UTC)
    assert next_change(terms[2:], now) is None
