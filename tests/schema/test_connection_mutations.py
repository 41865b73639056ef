"""Adding, testing, pausing and resuming connections through GraphQL."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select

from connectors.sdk.base import Probe
from hub.domain.agreements import Domain, unrestricted_scope
from hub.services import checks
from hub.services.connections import SecretStore
from hub.storage import tables
from hub.storage.reads.write import global_id

SCOPE = unrestricted_scope("test")
ADD = """mutation($input: AddConnectionInput!) { addConnection(input: $input) {
  ... on AddConnectionPayload { connection { id name connectorId paused } webhookPath }
  ... on UserErrors { errors { code field message } } } }"""
SETTINGS = {"base_url": "https://api.brightwell.example", "webhook_secrets": ["secret://webhook"]}
GIVEN: dict[str, Any] = {
    "name": "Brightwell",
    "connectorId": "supply_rest",
    "config": SETTINGS,
    "secrets": [
        {"name": "api_key", "value": "key-of-the-vendor"},
        {"name": "webhook", "value": "whsec_c3VwcGx5LXJlc3QtdGVzdC1zZWNyZXQ="},
    ],
}


def on(verb: str, fields: str) -> str:
    kind = verb[0].upper() + verb[1:]
    return f"""mutation($input: {kind}Input!) {{ {verb}(input: $input) {{
      ... on {kind}Payload {{ {fields} }} ... on UserErrors {{ errors {{ code }} }} }} }}"""


TEST = on("testConnection", "job { kind state }")
PAUSE = on("pauseConnection", "changed connection { paused }")
SYNC = on("syncConnection", "job { kind }")
RESUME = on("resumeConnection", "changed connection { paused }")


def rows(world: Any, table: Any) -> int:
    return int(world.read(lambda s: s.scalar(select(func.count()).select_from(table))))


def connection(
    world: Any, practice_id: str | None = None, connector_id: str = "supply_rest"
) -> str:
    row = tables.Connection(
        id=tables.new_id(),
        name=f"c-{connector_id}-{practice_id}",
        connector_id=connector_id,
        practice_id=practice_id,
        config={},
        created_at=world.now,
    )
    world.add(row)
    return row.id


def test_a_connection_is_added_with_its_secrets_encrypted_and_its_address_shown_once(world):
    practice = world.practice("North")
    world.agreement(practice, Domain.SUPPLY)
    named = [{"code": "ACC-1", "practiceId": global_id("Practice", practice)}]
    mso = world.mso()
    data = mso.data(ADD, input={**GIVEN, "practices": named})["addConnection"]
    assert data["connection"]["connectorId"] == "supply_rest"
    token = data["webhookPath"].removeprefix("/webhooks/supply_rest/")
    [row] = world.read(lambda s: s.scalars(select(tables.Connection)).all())
    assert row.endpoint_digest == world.crypto.digest(f"endpoint:{token}")
    assert "key-of-the-vendor" not in str(row.config)
    secrets = SecretStore(world.database, world.crypto, row.id)
    assert secrets.get(row.config["api_key"]) == "key-of-the-vendor"
    [route] = world.read(lambda s: s.scalars(select(tables.ConnectionPractice)).all())
    assert (route.code, route.practice_id) == ("ACC-1", practice)


def test_the_same_key_gives_the_same_address_and_stores_it_encrypted(world):
    mso = world.mso()
    first, second = (mso.data(ADD, input={**GIVEN, "idempotencyKey": "k"}) for _ in range(2))
    assert first == second
    assert rows(world, tables.Connection) == 1
    [outcome] = world.read(lambda s: s.scalars(select(tables.MutationOutcome)).all())
    assert first["addConnection"]["webhookPath"].rpartition("/")[2] not in str(outcome.outcome)


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"connectorId": "nobody"}, "NOT_FOUND", "connectorId"),
        ({"config": {"base_url": "no address", "api_key": "x"}}, "BAD_INPUT", "config"),
        ({"config": {**SETTINGS, "unknown": 1}}, "BAD_INPUT", "config.unknown"),
        ({"config": {**SETTINGS, "api_key": "file:/etc/hostname"}}, "BAD_INPUT", "config"),
        ({"config": {**SETTINGS, "webhook_secrets": ["env:HOME"]}}, "BAD_INPUT", "config"),
        ({"config": ["list"]}, "BAD_INPUT", "config"),
        ({"routing": {"sending_application": "A"}}, "BAD_INPUT", "routing"),
        ({"name": " "}, "BAD_INPUT", "name"),
        (
            {"practices": [{"code": "A", "practiceId": "nonsense"}]},
            "NOT_FOUND",
            "practices[0].practiceId",
        ),
    ],
)
def test_settings_a_connector_does_not_take_are_named_and_nothing_is_kept(
    world, change, code, field
):
    data = world.mso().data(ADD, input={**GIVEN, **change})["addConnection"]
    [error] = data["errors"]
    assert error["code"] == code
    assert (error["field"] or "").startswith(field or "")
    assert "key-of-the-vendor" not in str(data)
    assert rows(world, tables.Connection) == rows(world, tables.ConnectionSecret) == 0


def test_a_practice_adds_no_connection(world):
    app = world.app(world.practice("North"))
    assert app.code(ADD, input=GIVEN) == "FORBIDDEN"


def test_a_connection_is_paused_and_resumed_once_by_who_may(world):
    north, south = world.practice("North"), world.practice("South")
    own = {"connectionId": global_id("Connection", connection(world, north))}
    app = world.app(north)
    for document, paused in ((PAUSE, True), (RESUME, False)):
        name = "pauseConnection" if paused else "resumeConnection"
        for changed in (True, False):
            data = app.data(document, input=own)[name]
            assert data == {"changed": changed, "connection": {"paused": paused}}
    other = world.app(south)
    for document in (PAUSE, RESUME, TEST):
        [answer] = other.data(document, input=own).values()
        assert answer == {"errors": [{"code": "NOT_FOUND"}]}
    assert world.mso().data(PAUSE, input=own)["pauseConnection"]["changed"] is True


def test_what_has_streams_is_synchronised_and_what_only_sends_is_not(world):
    mso = world.mso()
    for connector, code in (("supply_rest", None), ("ehr_hl7v2", "CONFLICT")):
        id = global_id("Connection", connection(world, connector_id=connector))
        answered = mso.data(SYNC, input={"connectionId": id})["syncConnection"]
        assert [error["code"] for error in answered.get("errors", [])] == [code] * bool(code)
    assert rows(world, tables.JobRow) == 1


def test_a_test_adds_one_job_and_its_report_can_be_read(world):
    connection_id = connection(world)
    mso = world.mso()
    given = {"connectionId": global_id("Connection", connection_id)}
    for _ in range(2):
        data = mso.data(TEST, input=given)["testConnection"]
        assert data == {"job": {"kind": "connections.check", "state": "READY"}}
    [job] = world.read(lambda s: s.scalars(select(tables.JobRow)).all())
    probes = [Probe("dns", True, milliseconds=3), Probe("login", False, "refused", "renew")]
    world.database.transaction(
        SCOPE,
        lambda s: checks.store_report(
            s, connection_id=connection_id, job_id=job.id, probes=probes, now=world.now
        ),
    )
    query = """query($id: ID!) { node(id: $id) { ... on Connection { checks(first: 1) { nodes {
      ok job { state } probes { nodes { name ok error hint milliseconds } } } } } } }"""
    [report] = mso.data(query, id=given["connectionId"])["node"]["checks"]["nodes"]
    assert (report["ok"], report["job"]) == (False, {"state": "READY"})
    assert [(p["name"], p["ok"], p["hint"]) for p in report["probes"]["nodes"]] == [
        ("dns", True, ""),
        ("login", False, "renew"),
    ]
    app = world.app(world.practice("North"))
    assert app.data("{ connectionChecks { totalCount } }")["connectionChecks"]["totalCount"] == 0


CHANGE = on("changeConnection", "version connection { name }").replace("code", "code field")
SHOWN = """query($id: ID!, $version: Int) {
  connectionSettings(connectionId: $id, version: $version) {
  config routing practices { code practiceId } versions { version changedBy reason } } }"""
SECRETS = GIVEN["secrets"]


def added(mso: Any) -> str:
    return str(mso.data(ADD, input=GIVEN)["addConnection"]["connection"]["id"])


def changed(mso: Any, connection_id: str, config: Any, **more: Any) -> Any:
    given = {"connectionId": connection_id, "config": config, "reason": "ticket 12", **more}
    return mso.data(CHANGE, input=given)["changeConnection"]


def settings(mso: Any, connection_id: str, **more: Any) -> Any:
    return mso.data(SHOWN, id=connection_id, **more)["connectionSettings"]


def test_settings_are_shown_changed_and_kept_in_versions(world):
    practice = world.practice("North")
    world.agreement(practice, Domain.SUPPLY)
    mso = world.mso()
    connection_id = added(mso)
    before = settings(mso, connection_id)
    assert "key-of-the-vendor" not in str(before)
    config = {**before["config"], "page_size": 50}
    codes = [{"code": "ACC-1", "practiceId": global_id("Practice", practice)}]
    answer = changed(mso, connection_id, config, practices=codes)
    assert answer == {"version": 2, "connection": {"name": "Brightwell"}}
    after = settings(mso, connection_id)
    assert (after["config"], after["practices"]) == (config, codes)
    assert [(v["version"], v["changedBy"], v["reason"]) for v in after["versions"]] == [
        (2, "mso", "ticket 12"),
        (1, "", ""),
    ]
    assert settings(mso, connection_id, version=1)["config"] == before["config"]
    assert changed(mso, connection_id, config)["version"] is None
    events = world.read(lambda s: s.scalars(select(tables.AuditEvent.reason)).all())
    assert "changeConnection: ticket 12" in events
    assert mso.code(SHOWN, id=connection_id, version=9) == "NOT_FOUND"


def test_a_dry_run_of_a_change_keeps_nothing(world):
    mso = world.mso()
    connection_id = added(mso)
    before = settings(mso, connection_id)
    config = {**before["config"], "page_size": 50}
    assert changed(mso, connection_id, config, validateOnly=True)["version"] == 2
    assert settings(mso, connection_id) == before


def test_kept_secrets_are_not_sent_to_another_address(world):
    mso = world.mso()
    connection_id = added(mso)
    before = settings(mso, connection_id)
    moved = {**before["config"], "base_url": "https://collector.example"}
    for given in ([], SECRETS[:1], SECRETS[1:]):
        answer = changed(mso, connection_id, moved, secrets=given)
        assert answer["errors"] == [{"code": "BAD_INPUT", "field": "secrets"}]
    assert settings(mso, connection_id) == before
    anew = [{**each, "value": each["value"] + "A"} for each in SECRETS]
    assert changed(mso, connection_id, moved, secrets=anew)["version"] == 2
    [row] = world.read(lambda s: s.scalars(select(tables.Connection)).all())
    kept = SecretStore(world.database, world.crypto, row.id)
    assert kept.get(row.config["api_key"]) == "key-of-the-vendorA"


def test_what_refers_to_the_machine_stays_while_no_address_changes(world):
    mso = world.mso()
    stated = {"base_url": "https://api.brightwell.example", "api_key": "env:VENDOR_KEY"}
    row = tables.Connection(
        id=tables.new_id(), name="c", connector_id="supply_rest", config=stated,
        created_at=world.now,
    )  # fmt: skip
    world.add(row)
    connection_id = global_id("Connection", row.id)
    assert changed(mso, connection_id, {**stated, "page_size": 50})["version"] == 2
    refused = [
        {**stated, "base_url": "https://collector.example"},
        {**stated, "api_key": "env:HOME"},
        {**stated, "webhook_secrets": ["env:VENDOR_KEY"]},
    ]
    for config in refused:
        answer = changed(mso, connection_id, config)
        assert answer["errors"] == [{"code": "BAD_INPUT", "field": "config"}]


def test_settings_are_for_the_apps_of_the_mso_that_may_write(world):
    connection_id = added(world.mso())
    given = {"connectionId": connection_id, "config": SETTINGS, "reason": "r"}
    for app in (world.app(world.practice("North")), world.mso("reader", write=False)):
        assert app.code(CHANGE, input=given) == "FORBIDDEN"
        assert app.code(SHOWN, id=connection_id) == "FORBIDDEN"
