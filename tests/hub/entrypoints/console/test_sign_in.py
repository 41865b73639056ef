"""Signing in and out: who may, what the cookie is like, when a session ends, whose form it is."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from hub.auth.credentials import revoke_client
from hub.domain.agreements import unrestricted_scope
from hub.entrypoints.console.sign_in import MOST_REFUSED
from hub.entrypoints.key_limit import MOST_REFUSED_KEYS
from hub.storage.tables import ConsoleSession
from tests.hub.entrypoints.console.conftest import TOKEN

SCOPE = unrestricted_scope("test")
COOKIE = "hub-console"


def sessions(hub: Any) -> list[ConsoleSession]:
    with hub.database.read(SCOPE) as session:
        return list(session.scalars(select(ConsoleSession)))


def is_in(person: Any) -> bool:
    answer = person.get("/console")
    assert answer.status_code in (200, 303)
    return bool(answer.status_code == 200)


def test_a_credential_signs_in_is_told_apart_and_signs_out(hub: Any) -> None:
    hub.credential("night desk")
    person = hub.person("night desk")
    assert "night desk" in person.get("/console").text
    assert person.get("/console/sign-in").status_code == 303
    secret = person.http.cookies[COOKIE]
    assert person.post("/console/sign-out").status_code == 303
    assert not is_in(person)
    person.http.cookies.set(COOKIE, secret, domain="localhost.local", path="/")
    assert not is_in(person)
    reasons = [one.reason for one in hub.events("console session")]
    assert reasons == ["signed in", "signed out"]


@pytest.mark.parametrize("key", ["", "x", "hub_0badc0de_no", "é", "hub_\0_x"])
def test_a_wrong_key_is_refused_in_one_text_and_audited(hub: Any, key: str) -> None:
    person = hub.person()
    answer = person.sign_in(key)
    assert answer.status_code == 401
    assert "missing, unknown or revoked" in answer.text
    assert not is_in(person)
    hub.database.submit(SCOPE, lambda session: None).result()
    assert [one.outcome for one in hub.events("authenticate")] == ["denied"]


def test_attempts_from_one_address_are_limited_for_a_minute(hub: Any) -> None:
    hub.credential("desk")
    person = hub.person()
    hub.credential("other")
    guess = hub.keys["desk"][:12] + "_guess"
    for _ in range(MOST_REFUSED):
        assert person.sign_in(guess).status_code == 401
    refused = person.sign_in(hub.keys["desk"])
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert hub.person(address="10.0.0.8").sign_in(hub.keys["desk"]).status_code == 303
    assert hub.person().sign_in(hub.keys["other"]).status_code == 303
    hub.moment[0] += timedelta(minutes=1)
    assert person.sign_in(hub.keys["desk"]).status_code == 303


def test_guesses_at_ever_other_credentials_are_limited_by_address(hub: Any) -> None:
    hub.credential("desk")
    person = hub.person()
    for number in range(MOST_REFUSED_KEYS):
        assert person.sign_in(f"hub_{number:08x}_guess").status_code == 401
    refused = person.sign_in("hub_ffffffff_guess")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert person.sign_in(hub.keys["desk"]).status_code == 303


def test_who_signs_in_gets_a_new_secret_that_is_stored_as_a_digest(hub: Any) -> None:
    hub.credential("desk")
    person, before = hub.person(), "a-secret-somebody-else-knows"
    person.http.cookies.set(COOKIE, before, domain="localhost.local", path="/")
    person.sign_in(hub.keys["desk"])
    after = person.http.cookies[COOKIE]
    assert before != after
    (row,) = sessions(hub)
    assert after not in str(vars(row))
    assert hub.keys["desk"] not in str(vars(row))


def test_who_signs_in_again_is_in_once(hub: Any) -> None:
    hub.credential("desk")
    person, other = hub.person("desk"), hub.person("desk")
    form = other.http.get("/console/sign-in", headers={"cookie": ""})
    (person.token,) = TOKEN.findall(form.text)
    name = f"{COOKIE}-form"
    person.http.cookies.set(name, form.cookies[name], domain="localhost.local", path="/")
    before = person.http.cookies[COOKIE]
    assert person.post("/console/sign-in", key=hub.keys["desk"]).status_code == 303
    assert person.http.cookies[COOKIE] != before
    assert len(sessions(hub)) == 2
    assert is_in(other)


def test_a_session_ends_when_nobody_is_there(hub: Any) -> None:
    hub.credential("desk")
    person = hub.person("desk")
    for _ in range(3):
        hub.moment[0] += timedelta(minutes=14, seconds=59)
        assert is_in(person)
    hub.moment[0] += timedelta(minutes=15)
    assert not is_in(person)


def test_a_session_ends_after_eight_hours(hub: Any) -> None:
    hub.credential("desk")
    person = hub.person("desk")
    for _ in range(47):
        hub.moment[0] += timedelta(minutes=10)
        assert is_in(person)
    hub.moment[0] += timedelta(minutes=10)
    assert not is_in(person)
    assert person.sign_in(hub.keys["desk"]).status_code == 303
    assert len(sessions(hub)) == 1


def test_a_revoked_credential_ends_its_sessions_at_once(hub: Any) -> None:
    hub.credential("desk", write=True)
    person = hub.person("desk")
    hub.write(lambda session: revoke_client(session, "desk", now=hub.now()))
    assert not is_in(person)
    assert person.post("/console/sign-out").status_code == 303


def test_a_session_of_a_demonstration_is_none_in_production(hub: Any, production: Any) -> None:
    hub.credential("app")
    secret = hub.person("app").http.cookies[COOKIE]
    person = production.person()
    person.http.cookies.set(f"__Host-{COOKIE}", secret, domain="localhost.local", path="/")
    assert not is_in(person)


def test_the_purpose_is_the_stated_one_if_the_credential_has_it(hub: Any) -> None:
    hub.credential("desk")
    person = hub.person("desk")
    assert "for operations" in person.get("/console").text
    other = hub.person()
    assert other.sign_in(hub.keys["desk"], purpose="PAYMENT").status_code == 403
    assert [one.outcome for one in hub.events("console session")] == ["success", "denied"]


def test_in_production_a_credential_needs_the_right_and_the_cookie_tls(production: Any) -> None:
    production.credential("app")
    production.credential("desk", console=True)
    assert production.person().sign_in(production.keys["app"]).status_code == 403
    person = production.person()
    answer = person.sign_in(production.keys["desk"])
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-hub-console=")
    for word in ("HttpOnly", "Path=/", "SameSite=strict", "Secure"):
        assert word in cookie
    assert "Domain" not in cookie
    assert is_in(person)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 303),
        ({"origin": "http://localhost"}, 303),
        ({"origin": "null", "sec-fetch-site": "same-origin"}, 303),
        ({"origin": "null"}, 303),
        ({"origin": "null", "sec-fetch-site": "cross-site"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "http://["}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "none"}, 403),
    ],
)
def test_a_form_of_another_site_is_refused(seeded: Any, headers: Any, status: int) -> None:
    person = seeded.person("reader")
    assert person.post("/console/sign-out", headers).status_code == status
    assert is_in(person) == (status == 403)


def test_a_form_without_the_token_of_its_session_is_refused(seeded: Any) -> None:
    person, other = seeded.person("reader"), seeded.person("operator")
    for token in ("", "0" * 64, other.token):
        answer = person.post("/console/sign-out", token=token)
        assert answer.status_code == 403
    assert is_in(person)


def test_nobody_is_signed_in_by_a_form_of_another_site(seeded: Any) -> None:
    person, key = seeded.person(), seeded.keys["reader"]
    assert person.post("/console/sign-in", key=key).status_code == 403
    assert not is_in(person)


def test_forms_of_other_sites_keep_nobody_out(seeded: Any) -> None:
    person = seeded.person()
    for _ in range(MOST_REFUSED + 1):
        assert person.post("/console/sign-in", key=seeded.keys["reader"]).status_code == 403
    assert person.sign_in(seeded.keys["reader"]).status_code == 303


def test_a_link_from_elsewhere_signs_nobody_out(seeded: Any) -> None:
    """A browser sends no cookie with it, and keeps what the answer sets."""
    person = seeded.person("reader")
    elsewhere = seeded.person()
    link = elsewhere.get("/console/messages")
    assert "set-cookie" not in link.headers
    headers = {"sec-fetch-site": "cross-site"}
    form = elsewhere.http.get("/console/sign-in", headers=headers)
    assert 'href="/console"' in form.text
    assert COOKIE not in form.cookies
    person.http.cookies.update(form.cookies)
    assert is_in(person)


def test_the_form_for_signing_in_works_in_two_tabs(seeded: Any) -> None:
    person = seeded.person()
    first, second = person.get("/console/sign-in"), person.get("/console/sign-in")
    assert "set-cookie" in first.headers
    assert "set-cookie" not in second.headers
    (person.token,) = TOKEN.findall(first.text)
    assert person.post("/console/sign-in", key=seeded.keys["reader"]).status_code == 303


def test_a_form_that_is_not_of_the_session_is_audited(hub: Any) -> None:
    hub.credential("desk")
    person = hub.person("desk")
    person.post("/console/sign-out", token="")
    person.post("/console/messages", {"origin": "https://evil.example"}, q="mrn:7A")
    found = [(one.outcome, one.principal_name) for one in hub.events("console session")]
    assert found == [("success", "desk"), ("denied", "desk"), ("denied", "desk")]
    assert "7A" not in str([one.reason for one in hub.events()])


def test_who_hangs_up_while_signing_in_is_no_failure(hub: Any) -> None:
    status = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        status.append(message.get("status"))

    sent = {"host": "localhost", "content-type": "application/x-www-form-urlencoded"}
    headers = [(name.encode(), value.encode()) for name, value in sent.items()]
    scope = {
        "type": "http", "method": "POST", "path": "/console/sign-in", "query_string": b"",
        "headers": headers, "client": ("10.0.0.9", 1),
    }  # fmt: skip
    asyncio.run(hub.app(scope, receive, send))
    assert status[0] == 499


@pytest.mark.parametrize("body", ["x=" + "y" * 20_000, "&".join(["a=1"] * 60)])
def test_a_form_that_is_too_large_is_refused(seeded: Any, body: str) -> None:
    person = seeded.person("reader")
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = person.http.post("/console/sign-out", content=body, headers=headers)
    assert answer.status_code == 400
    assert is_in(person)


def test_a_body_that_is_no_form_is_refused(seeded: Any) -> None:
    person = seeded.person("reader")
    assert person.http.post("/console/sign-out", json={"token": person.token}).status_code == 400
