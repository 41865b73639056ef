"""API keys: made once, stored as digests, verified, revoked."""

from __future__ import annotations

import hashlib

import pytest
from sqlalchemy import select

from hub.auth.credentials import (
    authenticate,
    create_client,
    list_clients,
    principal_of,
    revoke_client,
)
from hub.domain.agreements import DataClass, Domain, PrincipalKind, Purpose, unrestricted_scope
from hub.errors import Conflict, NotFound, Rejected, Unauthenticated
from hub.storage.tables import Client, Practice

SCOPE = unrestricted_scope("test")


@pytest.fixture
def practice(database, now):
    row = Practice(id="p1", name="North", zone="America/Chicago", created_at=now)
    database.transaction(SCOPE, lambda s: s.add(row))
    return "p1"


def create(database, now, *arguments, **options):
    return database.transaction(SCOPE, lambda s: create_client(s, *arguments, now=now, **options))


def test_a_key_proves_its_client_and_only_its_digest_is_stored(database, now, practice):
    client, key = create(
        database,
        now,
        "app",
        PrincipalKind.PRACTICE_APP,
        practice,
        domains=[Domain.SUPPLY],
        purposes=[Purpose.PURCHASING, Purpose.OPERATIONS],
    )
    with database.read(SCOPE) as session:
        principal = authenticate(session, f"Bearer {key}")
        stored = session.scalar(select(Client))
    assert principal.practice_id == practice
    assert principal.domains == {Domain.SUPPLY}
    assert principal.default_purpose is Purpose.PURCHASING
    assert DataClass.SECRET not in principal.classes
    assert stored.key_digest == hashlib.sha256(key.encode()).hexdigest()
    assert key.split("_", 2)[2] not in str(vars(stored))
    assert key.startswith(f"hub_{client.key_prefix}_")
    assert len(key.split("_", 2)[2]) >= 43


@pytest.mark.parametrize("change", [lambda k: k[:-1], lambda k: k + "x", lambda k: k.upper()])
def test_a_changed_key_proves_nothing(database, now, change):
    _, key = create(database, now, "app", PrincipalKind.MSO_APP)
    with database.read(SCOPE) as session, pytest.raises(Unauthenticated):
        authenticate(session, f"Bearer {change(key)}")


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Basic x", "Bearer hub_a_b", "Bearer é_ü_x"]
)
def test_whatever_is_no_key_is_refused_in_the_same_words(database, header):
    with database.read(SCOPE) as session, pytest.raises(Unauthenticated) as caught:
        authenticate(session, header)
    assert str(caught.value) == "The credential is missing, unknown or revoked."


def test_a_revoked_key_stops_working(database, now):
    _, key = create(database, now, "app", PrincipalKind.MSO_APP)
    database.transaction(SCOPE, lambda s: revoke_client(s, "app", now=now))
    with database.read(SCOPE) as session:
        with pytest.raises(Unauthenticated):
            authenticate(session, f"Bearer {key}")
        assert [client.revoked_at for client in list_clients(session)] == [now]


def test_a_credential_that_makes_no_sense_is_not_created(database, now, practice):
    create(database, now, "taken", PrincipalKind.MSO_APP)
    app = ("a", PrincipalKind.PRACTICE_APP, practice)
    for error, arguments, options in (
        (Rejected, ("a", PrincipalKind.PRACTICE_APP), {}),
        (Rejected, ("a", PrincipalKind.MSO_APP, practice), {}),
        (Rejected, ("a", PrincipalKind.SYSTEM), {}),
        (Rejected, ("a", PrincipalKind.MSO_APP), {"domains": []}),
        (Rejected, ("a", PrincipalKind.MSO_APP), {"purposes": []}),
        (Rejected, ("a", PrincipalKind.MSO_APP), {"break_glass": True}),
        (Rejected, app, {"break_glass": True, "domains": [Domain.SUPPLY]}),
        (NotFound, ("a", PrincipalKind.PRACTICE_APP, "nowhere"), {}),
        (Conflict, ("taken", PrincipalKind.MSO_APP), {}),
    ):
        with pytest.raises(error):
            create(database, now, *arguments, **options)


def test_no_records_are_opened_in_an_emergency_by_who_lost_the_domain(database, now, practice):
    app = ("app", PrincipalKind.PRACTICE_APP, practice)
    client, _ = create(database, now, *app, break_glass=True)
    assert principal_of(client).break_glass
    client.domains = [Domain.SUPPLY]
    assert not principal_of(client).break_glass


def test_revoking_an_unknown_name_is_not_found(database, now):
    with pytest.raises(NotFound):
        database.transaction(SCOPE, lambda s: revoke_client(s, "nobody", now=now))
