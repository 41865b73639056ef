"""From principal, agreements and purpose to the scope of one request."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from hub.auth.scopes import load_scope, stated_purpose
from hub.domain.agreements import (
    READABLE_CLASSES,
    Domain,
    Principal,
    PrincipalKind,
    Purpose,
    unrestricted_scope,
)
from hub.errors import Forbidden
from hub.storage.tables import Practice, ServiceAgreement

SCOPE = unrestricted_scope("test")


def principal(kind=PrincipalKind.MSO_APP, practice_id=None):
    return Principal(
        id="c",
        name="c",
        kind=kind,
        practice_id=practice_id,
        classes=READABLE_CLASSES,
        domains=frozenset(Domain),
        purposes=frozenset({Purpose.OPERATIONS}),
        default_purpose=Purpose.OPERATIONS,
    )


def agree(database, **facts):
    def work(session):
        if session.get(Practice, "p1") is None:
            session.add(
                Practice(
                    id="p1",
                    name="North",
                    zone="America/Chicago",
                    created_at=datetime(2026, 1, 1, tzinfo=UTC),
                )
            )
            session.flush()
        session.add(
            ServiceAgreement(
                practice_id="p1",
                **{
                    "domain": "PAYROLL",
                    "granularity": "ROW",
                    "purposes": ["OPERATIONS"],
                    "starts_on": date(2026, 3, 2),
                    **facts,
                },
            )
        )

    database.transaction(SCOPE, work)


def scope_at(database, moment):
    with database.read(SCOPE) as session:
        return load_scope(session, principal(), Purpose.OPERATIONS, moment)


def test_an_agreement_begins_and_ends_at_midnight_of_the_practice(database):
    agree(database, ends_on=date(2026, 3, 3))
    for moment, granted in (
        (datetime(2026, 3, 2, 5, 59, tzinfo=UTC), False),
        (datetime(2026, 3, 2, 6, 0, tzinfo=UTC), True),
        (datetime(2026, 3, 3, 5, 59, tzinfo=UTC), True),
        (datetime(2026, 3, 3, 6, 0, tzinfo=UTC), False),
    ):
        assert ("p1" in scope_at(database, moment).practices(Domain.PAYROLL)) is granted


def test_limited_rows_are_told_from_full_ones(database, now):
    agree(database, granularity="LIMITED")
    agree(database, domain="SUPPLY", delegates_purchase_approval=True)
    scope = scope_at(database, now)
    assert scope.limited[Domain.PAYROLL] == {"p1"}
    assert scope.rows[Domain.PAYROLL] == frozenset()
    assert scope.rows[Domain.SUPPLY] == scope.delegated_approval == {"p1"}


def test_a_practice_app_needs_no_agreement_for_its_own_rows(database, now):
    app = principal(PrincipalKind.PRACTICE_APP, "p9")
    with database.read(SCOPE) as session:
        scope = load_scope(session, app, Purpose.OPERATIONS, now)
    assert scope.all_practices() == {"p9"}


def test_a_purpose_must_be_one_of_the_credentials():
    assert stated_purpose(principal(), None) is Purpose.OPERATIONS
    assert stated_purpose(principal(), "OPERATIONS") is Purpose.OPERATIONS
    for stated in ("TREATMENT", "operations", "", 7, ["OPERATIONS"], {}):
        with pytest.raises(Forbidden):
            stated_purpose(principal(), stated)
