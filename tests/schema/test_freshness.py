"""Freshness: what moment the data behind an answer is complete up to, and who may know."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.testclient import TestClient

from hub.domain.agreements import Domain, unrestricted_scope
from hub.entrypoints.web import create_app
from hub.services import sync
from hub.settings import Settings
from hub.storage import tables
from hub.storage.reads.write import global_id
from schema.freshness import kinds_feeding

SCOPE = unrestricted_scope("test")
ENTRIES = [
    {"id": f"{kind}_x", "name": kind, "kind": kind, "version": "1", "capabilities": []}
    for kind in ("ehr", "payroll", "supply", "payer")
]
PATIENTS, OFFERS = "{ patients { nodes { sex } } }", "{ offers { nodes { vendorPart } } }"
HOUR = timedelta(hours=1)


@pytest.fixture
def world(world, tmp_path) -> Any:
    """The world with a catalogue of connectors."""
    hub = SimpleNamespace(
        settings=Settings(_env_file=None, data_dir=tmp_path),
        database=world.database,
        crypto=world.crypto,
        now=lambda: world.now,
    )
    with TestClient(create_app(hub, connectors=ENTRIES), base_url="http://localhost") as http:
        world.http = http
        yield world


def connection(world: Any, kind: str, *served: str, own: str | None = None) -> str:
    row = tables.Connection(
        id=tables.new_id(),
        name=tables.new_id(),
        connector_id=f"{kind}_x",
        practice_id=own,
        config={},
        routing={},
        created_at=world.now,
    )
    world.add(row)
    for practice in served:
        world.add(
            tables.ConnectionPractice(
                connection_id=row.id, code=practice, practice_id=practice, receiving_facility=""
            )
        )
    return row.id


def run(world: Any, connection_id: str, stream: str, until: datetime | None, **end: Any) -> None:
    """A run of a stream; without `until` it is still under way."""

    def work(session: Any) -> None:
        run_id, _ = sync.start_run(session, connection_id, stream, world.now)
        if until is not None:
            sync.end_run(session, world.crypto, run_id, now=world.now, until=until, **end)

    world.database.transaction(SCOPE, work)


def arrival(world: Any, connection_id: str, at: datetime, state: str = "processed") -> None:
    row_id = tables.new_id()
    world.add(
        tables.InboundMessage(
            id=row_id,
            kind="hl7v2",
            connection_id=connection_id,
            source="s",
            control_id=row_id,
            message_type="ADT^A01",
            body_digest=row_id,
            size=1,
            content_type="x",
            headers={},
            raw=b"",
            answer=b"",
            state=state,
            received_at=at,
        )
    )


def asked(api: Any, query: str, **extensions: Any) -> dict[str, Any]:
    found: dict[str, Any] = api.raw({"query": query, "extensions": extensions}).json()
    return found


def fresh(api: Any, query: str) -> dict[str, int | None]:
    """Source → seconds of lag."""
    found = asked(api, query, freshness=True)["extensions"]["freshness"]
    return {item["source"]: item["lagSeconds"] for item in found}


def gid(connection_id: str) -> str:
    return global_id("Connection", connection_id)


@pytest.fixture
def practice(world) -> str:
    practice = str(world.practice("North"))
    for domain in Domain:
        world.agreement(practice, domain)
    return practice


@pytest.mark.parametrize(
    ("noun", "kinds"),
    [
        ("patients", {"ehr"}),
        ("coverages", {"ehr"}),
        ("providers", {"ehr"}),
        ("pay_statement_lines", {"payroll"}),
        ("offers", {"supply"}),
        ("requisitions", set()),
        ("eligibility_checks", set()),
        ("practices", set()),
        ("jobs", set()),
    ],
)
def test_each_table_is_fed_by_one_kind_of_connector_or_by_nobody(noun, kinds):
    assert kinds_feeding([noun]) == kinds


def test_who_does_not_ask_is_told_nothing(world, practice):
    connection(world, "ehr", practice)
    assert "freshness" not in asked(world.mso(), PATIENTS)["extensions"]


def test_a_connection_is_as_fresh_as_the_stream_that_is_furthest_behind(world, practice):
    source = connection(world, "supply")
    run(world, source, "items", world.now - HOUR)
    run(world, source, "offers", world.now - 2 * HOUR)
    answer = asked(world.mso(), OFFERS, freshness=True)
    assert answer["extensions"]["freshness"] == [
        {
            "source": gid(source),
            "asOf": (world.now - 2 * HOUR).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "lagSeconds": 7200,
        }
    ]


def test_a_run_that_failed_or_goes_on_makes_nothing_fresher(world, practice):
    source = connection(world, "supply")
    run(world, source, "offers", world.now - 2 * HOUR)
    run(world, source, "offers", world.now, code="UPSTREAM", text="down")
    run(world, source, "offers", None)
    assert fresh(world.mso(), OFFERS) == {gid(source): 7200}


def test_a_stream_that_was_never_whole_leaves_the_source_unknown(world, practice):
    source = connection(world, "supply")
    run(world, source, "offers", world.now)
    run(world, source, "items", world.now, code="UPSTREAM", text="down")
    assert fresh(world.mso(), OFFERS) == {gid(source): None}


def test_a_stream_the_vendor_does_not_offer_is_not_missed(world, practice):
    source = connection(world, "supply")
    run(world, source, "offers", world.now)
    run(world, source, "items", world.now, code=sync.NOT_SUPPORTED, text="no such thing")
    assert fresh(world.mso(), OFFERS) == {gid(source): 0}


def test_a_feed_is_as_fresh_as_its_last_arrival(world, practice):
    source = connection(world, "ehr", practice)
    assert fresh(world.mso("a"), PATIENTS) == {gid(source): None}
    arrival(world, source, world.now - 2 * HOUR)
    arrival(world, source, world.now - HOUR)
    assert fresh(world.mso("b"), PATIENTS) == {gid(source): 3600}


def test_a_message_that_waits_to_be_read_holds_its_source_back(world, practice):
    source = connection(world, "ehr", practice)
    arrival(world, source, world.now - 2 * HOUR, "received")
    arrival(world, source, world.now)
    assert fresh(world.mso(), PATIENTS) == {gid(source): 7200}


def test_only_sources_of_what_was_read_are_listed(world, practice):
    ehr, supply = connection(world, "ehr", practice), connection(world, "supply")
    connection(world, "payer")
    mso = world.mso()
    assert set(fresh(mso, PATIENTS)) == {gid(ehr)}
    assert set(fresh(mso, OFFERS)) == {gid(supply)}
    both = "{ practices { nodes { patients { nodes { sex } } } } offers { totalCount } }"
    assert set(fresh(mso, both)) == {gid(ehr), gid(supply)}
    assert fresh(mso, "{ practices { nodes { name } } }") == {}
    assert fresh(mso, "{ connectors { nodes { id } } }") == {}


def test_only_sources_that_serve_practices_in_scope_are_listed(world, practice):
    south = world.practice("South")
    mine, own = connection(world, "ehr", practice), connection(world, "ehr", own=practice)
    theirs, both = connection(world, "ehr", south), connection(world, "ehr", practice, south)
    for_all = connection(world, "supply")
    assert set(fresh(world.app(practice), PATIENTS)) == {gid(mine), gid(own), gid(both)}
    assert set(fresh(world.app(south), PATIENTS)) == {gid(theirs), gid(both)}
    assert set(fresh(world.app(south, "s2"), OFFERS)) == {gid(for_all)}


def test_data_older_than_asked_for_is_refused_and_not_read(world, practice):
    source = connection(world, "supply")
    run(world, source, "offers", world.now - HOUR)
    mso = world.mso()
    assert "data" in asked(mso, OFFERS, maxAgeSeconds=3600)
    answer = asked(mso, OFFERS, maxAgeSeconds=3599)
    assert "data" not in answer
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "UPSTREAM"
    assert gid(source) in error["message"]
    assert "3600 seconds old" in error["message"]
    assert answer["extensions"]["cost"]["actualQueryCost"] == 1
    run(world, source, "offers", world.now)
    assert "data" in asked(mso, OFFERS, maxAgeSeconds=0)


def test_a_source_never_read_is_too_old_for_any_age(world, practice):
    source = connection(world, "supply")
    message = asked(world.mso(), OFFERS, maxAgeSeconds=10**9)["errors"][0]["message"]
    assert gid(source) in message
    assert "never read completely" in message


def test_an_answer_whose_freshness_is_asked_for_has_no_tag(world, practice):
    connection(world, "supply")
    mso = world.mso()
    body = {"query": OFFERS, "extensions": {"freshness": True}}
    answer = mso.http.request("QUERY", "/graphql", json=body, headers=mso.headers)
    assert "ETag" not in answer.headers


@pytest.mark.parametrize(
    "extensions",
    [{"maxAgeSeconds": "1"}, {"maxAgeSeconds": -1}, {"maxAgeSeconds": True}, {"freshness": "yes"}],
)
def test_other_values_are_refused(world, practice, extensions):
    assert world.mso().raw({"query": OFFERS, "extensions": extensions}).status_code == 400
