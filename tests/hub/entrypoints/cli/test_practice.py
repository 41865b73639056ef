"""`mso-hub practice`, `agreement`, `payer` and `supplier`: a hub of one's own, from nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.domain.agreements import Domain, Principal, PrincipalKind, Purpose, scope_for
from hub.storage import policy
from hub.storage.agreements import read_terms
from hub.storage.tables import (
    Coverage,
    Patient,
    Payer,
    Practice,
    ServiceAgreement,
    Supplier,
)
from tests.hub.entrypoints.cli.conftest import SCOPE
from tests.hub.entrypoints.cli.test_connection import add as add_connection
from tests.hub.entrypoints.cli.test_connection import file
from tests.hub.entrypoints.cli.test_connection_versions import SUPPLY

NPI = "1234567893"
MSO = Principal(
    "app", "app", PrincipalKind.MSO_APP, None, frozenset(), frozenset(Domain), frozenset(Purpose),
    Purpose.OPERATIONS,
)  # fmt: skip
TERM = ("--domain", "CLINICAL", "--granularity", "ROW", "--purpose", "OPERATIONS")


def done(desk: Any, *arguments: str) -> Any:
    ended = desk.run(*arguments, "--json")
    assert (ended.code, ended.err) == (0, ""), ended
    return ended.json


def listed(desk: Any, name: str) -> dict[str, Any]:
    rows = done(desk, "practice", "list")["practices"]
    return next(row for row in rows if row["name"] == name)


def day(number: int) -> str:
    return (datetime.now(UTC).date() + timedelta(number)).isoformat()


def readable(desk: Any) -> frozenset[str]:
    """Practices whose clinical rows an app of the MSO may read now."""
    with desk.hub.database.read(SCOPE) as session:
        terms = read_terms(session)
    scope = scope_for(MSO, terms, Purpose.OPERATIONS, datetime.now(UTC))
    return scope.practices(Domain.CLINICAL)


@pytest.fixture
def harbor(desk: Any) -> str:
    """The id of a practice that was added, with no agreement yet."""
    shown = done(desk, "practice", "add", "Harbor", "--zone", "UTC", "--npi", NPI,
                 "--specialty", "pediatrics", "--city", "Duluth")  # fmt: skip
    return str(shown["id"])


def test_a_practice_is_added_and_changed(desk: Any, harbor: str) -> None:
    (row,) = desk.rows(Practice, id=harbor)
    assert (row.name, row.npi, row.zone, row.specialties) == ("Harbor", NPI, "UTC", ["pediatrics"])
    done(desk, "practice", "change", "Harbor", "--name", "Harbor Family", "--city", "Superior",
         "--reason", "moved")  # fmt: skip
    shown = listed(desk, "Harbor Family")
    assert (shown["city"], shown["npi"], shown["domains"]) == ("Superior", NPI, [])
    assert desk.audited()[-1][0::2] == ("practice change", "moved")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("Other", "--zone", "Middle/Earth"), "America/Chicago"),
        (("Other", "--zone", "UTC", "--npi", "1234567890"), "check digit"),
        (("Other", "--zone", "UTC", "--npi", NPI), "Another practice has this npi"),
        (("north", "--zone", "UTC"), "Another practice has this name"),
        ((" ", "--zone", "UTC"), "name has 1 to 200"),
    ],
)
def test_a_practice_that_cannot_be_is_refused(
    desk: Any, harbor: str, arguments: tuple[str, ...], told: str
) -> None:
    before = len(desk.rows(Practice))
    ended = desk.run("practice", "add", *arguments)
    assert (ended.code, told in ended.err, len(desk.rows(Practice))) == (1, True, before)


def test_the_mso_sees_what_an_agreement_says_for_as_long_as_it_does(desk: Any, harbor: str) -> None:
    assert harbor not in readable(desk)
    version = desk.work(policy.version)
    done(desk, "agreement", "add", "Harbor", *TERM, "--starts-on", day(-30),
         "--retention-days-after-end", "10", "--reason", "signed")  # fmt: skip
    assert harbor in readable(desk)
    assert desk.work(policy.version) > version
    assert listed(desk, "Harbor")["domains"] == ["CLINICAL"]
    done(desk, "agreement", "end", "Harbor", "--reason", "left")
    assert harbor not in readable(desk)
    shown = listed(desk, "Harbor")
    assert (shown["domains"], shown["ended_on"], shown["kept_until"]) == ([], day(0), day(10))
    assert [event[0] for event in desk.audited()[-2:]] == ["agreement add", "agreement end"]


def test_a_new_term_ends_the_old_one_where_it_begins(desk: Any, harbor: str) -> None:
    done(desk, "agreement", "add", "Harbor", *TERM, "--starts-on", day(-30), "--reason", "signed")
    done(desk, "agreement", "add", "Harbor", "--domain", "CLINICAL", "--granularity", "LIMITED",
         "--purpose", "QUALITY", "--starts-on", day(5), "--reason", "narrowed")  # fmt: skip
    terms = done(desk, "agreement", "list", "Harbor")["terms"]
    assert [(term["granularity"], term["starts_on"], term["ends_on"]) for term in terms] == [
        ("ROW", day(-30), day(5)),
        ("LIMITED", day(5), None),
    ]
    ended = desk.run("agreement", "add", "Harbor", *TERM, "--starts-on", day(5), "--reason", "r")
    assert (ended.code, "begins on" in ended.err) == (1, True)
    assert len(desk.rows(ServiceAgreement, practice_id=harbor)) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("--domain", "CLINIC", "--granularity", "ROW", "--purpose", "QUALITY"),
        ("--domain", "CLINICAL", "--granularity", "ALL", "--purpose", "QUALITY"),
    ],
)
def test_unknown_words_are_wrong_usage(desk: Any, harbor: str, arguments: tuple[str, ...]) -> None:
    ended = desk.run("agreement", "add", "Harbor", *arguments, "--starts-on", day(0),
                     "--reason", "r")  # fmt: skip
    assert (ended.code, "must be one of" in ended.err) == (2, True)


def test_ending_what_is_not_in_force_is_told(desk: Any, harbor: str) -> None:
    ended = desk.run("agreement", "end", "Harbor", "--reason", "left")
    assert (ended.code, "No term" in ended.err) == (1, True)


def test_payers_and_suppliers_are_entered_with_their_connections(
    desk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VENDOR_KEY", "key-of-the-vendor")
    monkeypatch.setenv("WEBHOOK", "whsec_c3VwcGx5LXJlc3QtdGVzdC1zZWNyZXQ=")
    given = ("--secret", "api_key=env:VENDOR_KEY", "--secret", "webhook=env:WEBHOOK")
    assert add_connection(desk, "supply_rest", file(tmp_path, SUPPLY), *given).code == 0
    done(desk, "supplier", "add", "Brightwell", "--connection", "New", "--min-order", "50.00")
    done(desk, "supplier", "change", "Brightwell", "--shipping-fee", "7.5")
    (row,) = desk.rows(Supplier)
    assert (row.name, str(row.min_order), str(row.shipping_fee)) == ("Brightwell", "50.00", "7.50")
    done(desk, "payer", "add", "SOUTHPAY", "--name", "South Payer", "--route-id", "00123")
    done(desk, "payer", "change", "SOUTHPAY", "--enrollment", "pending")
    (payer,) = desk.rows(Payer)
    assert (payer.route_id, payer.enrollment, payer.connection_id) == ("00123", "pending", None)


def test_coverages_that_came_before_their_payer_belong_to_it_once_it_is_entered(desk: Any) -> None:
    def cover(session: Any) -> None:
        session.add(Patient(id="p", practice_id="id-north"))
        session.flush()
        for code in ("SOUTHPAY", "OTHER"):
            session.add(
                Coverage(
                    practice_id="id-north", patient_id="p", payer_code=code, member_id=code,
                    relationship="self", priority=1, status="active",
                )
            )  # fmt: skip

    desk.work(cover)
    shown = done(desk, "payer", "add", "SOUTHPAY")
    linked = {row.payer_code: row.payer_id for row in desk.rows(Coverage)}
    assert linked == {"SOUTHPAY": shown["id"], "OTHER": None}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("supplier", "add", "B", "--connection", "EHR A"), "no connection of a supply connector"),
        (("payer", "add", "P", "--connection", "EHR A"), "no connection of a payer connector"),
        (("payer", "change", "NOBODY", "--name", "N"), "no payer"),
        (("payer", "add", "P", "--enrollment", "yes"), "enrolled, pending, none"),
    ],
)
def test_what_does_not_fit_is_refused(desk: Any, arguments: tuple[str, ...], told: str) -> None:
    ended = desk.run(*arguments)
    assert (ended.code, told in ended.err) == (1, True)
    assert not desk.rows(Payer)
    assert not desk.rows(Supplier)
