"""Subscriptions over real sockets: WebSocket and server-sent events, against both databases."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import select, update
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from hub.auth.credentials import create_client, revoke_client
from hub.domain.agreements import (
    READABLE_CLASSES,
    PrincipalKind,
    practice_scope,
    unrestricted_scope,
)
from hub.domain.jobs import Job
from hub.domain.purchasing.progress import Progress
from hub.entrypoints.hub import Hub, open_hub
from hub.entrypoints.service import Service
from hub.services import requisitions, rounds
from hub.settings import Settings
from hub.storage import events, queue
from hub.storage.reads.write import global_id
from hub.storage.session import Database
from hub.storage.tables import (
    Connection,
    EmergencyAccess,
    Item,
    Offer,
    OfferTier,
    Patient,
    Practice,
    PurchaseOrder,
    PurchasingRound,
    ServiceAgreement,
    Supplier,
    new_id,
)
from jobs import purchasing as purchasing_jobs
from tests.polling import wait_until

SCOPE = unrestricted_scope("test")
PROTOCOL = "graphql-transport-ws"
JOBS = "subscription($after: ID) { jobProgress(after: $after) { id job { kind state } } }"
ORDERS = "subscription { purchaseOrderChanged { order { number status } } }"
LONGEST = 15.0
ADDED = {"kind": "pull.sync_all", "state": "READY"}


@dataclass
class Live:
    """A hub that listens, and what happens in it."""

    hub: Hub
    service: Service
    keys: dict[str, str]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.service.http_port}/graphql"

    def do(self, work: Any, database: Database | None = None) -> Any:
        return (database or self.hub.database).transaction(SCOPE, work)

    def add_job(self, practice_id: str | None = None, database: Database | None = None) -> None:
        now = self.hub.now()
        self.do(
            lambda s: queue.add(s, Job.SYNC_ALL, {}, now=now, practice_id=practice_id), database
        )

    def client(self, name: str, practice_id: str | None = None, **options: Any) -> None:
        kind = PrincipalKind.PRACTICE_APP if practice_id else PrincipalKind.MSO_APP
        _, self.keys[name] = self.do(
            lambda s: create_client(s, name, kind, practice_id, now=self.hub.now(), **options)
        )

    def practice(self, name: str) -> str:
        row = Practice(id=new_id(), name=name, zone="UTC", created_at=self.hub.now())
        self.do(lambda s: s.add(row))
        return row.id

    def headers(self, name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[name]}", "Accept": "text/event-stream"}


class Socket:
    """A client of `graphql-transport-ws`."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    def send(self, **message: Any) -> None:
        self.socket.send(json.dumps(message))

    def receive(self) -> Any:
        return json.loads(self.socket.recv(timeout=LONGEST))

    def start(self, key: str) -> None:
        self.send(type="connection_init", payload={"authorization": f"Bearer {key}"})
        assert self.receive() == {"type": "connection_ack"}

    def subscribe(self, query: str, key: str = "1", **variables: Any) -> None:
        self.send(type="subscribe", id=key, payload={"query": query, "variables": variables})
        self.send(type="ping")
        while self.receive() != {"type": "pong"}:
            pass

    def next(self) -> Any:
        message = self.receive()
        assert message["type"] == "next", message
        return message["payload"]["data"]

    def closed(self) -> int:
        with pytest.raises(ConnectionClosed) as closed:
            self._drain()
        assert closed.value.rcvd is not None
        return closed.value.rcvd.code

    def _drain(self) -> None:
        while True:
            self.socket.recv(timeout=LONGEST)


@pytest.fixture
def live(migrated_url: str, tmp_path: Path) -> Iterator[Live]:
    settings = Settings(
        _env_file=None,
        data_dir=tmp_path,
        database_url=migrated_url.replace("+psycopg", ""),
        http_port=0,
        log_level="error",
    )
    hub = open_hub(settings, migrate=True)
    try:
        with Service(hub, ["web"]) as service:
            made = Live(hub, service, {})
            made.client("mso")
            yield made
    finally:
        hub.close()


@pytest.fixture
def socket(live: Live) -> Iterator[Socket]:
    with connect(f"ws://{live.address}", subprotocols=[PROTOCOL]) as opened:
        yield Socket(opened)


def subscribed(live: Live, socket: Socket, name: str = "mso") -> str:
    """A subscription to jobs that is known to run; returns the id of the latest event."""
    socket.start(live.keys[name])
    live.add_job()
    live.do(events.number)
    socket.subscribe(JOBS, after="0")
    return str(socket.next()["jobProgress"]["id"])


def test_changes_here_and_in_another_process_arrive_in_order(live, socket):
    first = subscribed(live, socket)
    live.add_job()
    other = Database(live.hub.database.url)
    live.add_job(database=other)
    other.close()
    found = [socket.next()["jobProgress"] for _ in range(2)]
    assert [each["id"] for each in found] == [str(int(first) + n) for n in (1, 2)]
    assert [each["job"] for each in found] == [ADDED, ADDED]


def test_a_reconnected_subscriber_goes_on_without_gap_or_repetition(live, socket):
    last = subscribed(live, socket)
    socket.send(type="complete", id="1")
    for _ in range(3):
        live.add_job()
    with connect(f"ws://{live.address}", subprotocols=[PROTOCOL]) as opened:
        again = Socket(opened)
        again.start(live.keys["mso"])
        again.subscribe(JOBS, after=last)
        found = [int(again.next()["jobProgress"]["id"]) for _ in range(3)]
    assert found == [int(last) + n for n in (1, 2, 3)]


def test_events_that_are_no_longer_kept_cannot_be_resumed_from(live, socket):
    subscribed(live, socket)
    live.do(lambda s: events.prune(s, before=live.hub.now() + timedelta(days=1)))
    socket.subscribe(JOBS, "2", after="0")
    message = socket.receive()
    assert (message["id"], message["type"]) == ("2", "error")
    assert message["payload"][0]["extensions"]["code"] == "CONFLICT"


def test_a_revoked_credential_ends_the_connection_at_the_next_event(live, socket):
    subscribed(live, socket)
    live.do(lambda s: revoke_client(s, "mso", now=live.hub.now()))
    live.add_job()
    assert socket.closed() == 4403


def test_another_practice_sees_nothing(live, socket):
    mine, theirs = live.practice("Mine"), live.practice("Theirs")
    live.client("app", mine)
    socket.start(live.keys["app"])
    live.add_job(theirs)
    live.add_job(mine)
    live.do(events.number)
    socket.subscribe(JOBS, after="0")
    first = socket.next()["jobProgress"]["id"]
    live.add_job(theirs)
    live.add_job()
    live.add_job(mine)
    assert (first, socket.next()["jobProgress"]["id"]) == ("2", "5")


def order(live: Live, practice_id: str, number: str) -> None:
    """A purchase order in a practice that lets the MSO see its supplies."""
    now, ids = live.hub.now(), [new_id() for _ in range(3)]
    facts = {name: Decimal("1.00") for name in ("goods", "shipping", "total")}
    connection = Connection(
        id=ids[0], name=number, connector_id="supply_rest", config={}, routing={}, created_at=now
    )
    agreement = ServiceAgreement(
        practice_id=practice_id,
        domain="SUPPLY",
        granularity="ROW",
        purposes=["OPERATIONS"],
        starts_on=date(2020, 1, 1),
    )
    placed = PurchaseOrder(
        practice_id=practice_id,
        id=new_id(),
        round_id=ids[1],
        supplier_id=ids[2],
        number=number,
        ordered_on=date(2026, 3, 2),
        created_at=now,
        **facts,
    )
    round_ = PurchasingRound(id=ids[1], name=number, opened_at=now)
    live.do(lambda s: s.add_all([connection, agreement, round_]))
    live.do(lambda s: s.add(Supplier(id=ids[2], name=number, connection_id=ids[0])))
    live.do(lambda s: s.add(placed))


def set_status(live: Live, number: str, status: str) -> None:
    statement = update(PurchaseOrder).where(PurchaseOrder.number == number).values(status=status)
    live.do(lambda s: s.execute(statement))


def test_an_agreement_that_ends_in_between_takes_the_next_event_away(live, socket):
    ended, lasting = live.practice("Ended"), live.practice("Lasting")
    order(live, ended, "E")
    order(live, lasting, "L")
    live.do(events.number)
    socket.start(live.keys["mso"])
    socket.subscribe(ORDERS.replace("Changed {", 'Changed(after: "0") {'))
    found = [socket.next()["purchaseOrderChanged"]["order"]["number"] for _ in range(2)]
    assert found == ["E", "L"]

    def end(session: Any) -> None:
        [row] = session.scalars(
            select(ServiceAgreement).where(ServiceAgreement.practice_id == ended)
        )
        row.ends_on = date(2021, 1, 1)

    live.do(end)
    set_status(live, "E", "acknowledged")
    set_status(live, "L", "acknowledged")
    assert socket.next()["purchaseOrderChanged"]["order"]["number"] == "L"


def test_a_practice_is_told_that_labelled_records_were_opened_in_an_emergency(live, socket):
    mine, other = live.practice("Mine"), live.practice("Other")
    live.client("officer", mine, classes=READABLE_CLASSES)
    now = live.hub.now()
    for practice, person in ((other, "Dr Else"), (mine, "Dr Vale")):
        patient = Patient(practice_id=practice, id=new_id())
        access = EmergencyAccess(
            practice_id=practice, patient_id=patient.id, client_id="c", opened_by="ward",
            person=person, reason="unconscious", started_at=now, ends_at=now, sensitivity="R",
        )  # fmt: skip
        live.do(lambda s, patient=patient: s.add(patient))
        live.do(lambda s, access=access: s.add(access))
    live.do(events.number)
    socket.start(live.keys["officer"])
    socket.subscribe(
        'subscription { emergencyAccessChanged(after: "0") { access { person openedBy } } }'
    )
    told = socket.next()["emergencyAccessChanged"]["access"]
    assert told == {"person": "Dr Vale", "openedBy": "ward"}


RUNNING = """subscription($after: ID) { jobProgress(after: $after) {
  job { kind state progress } } }"""
STOP = """mutation($input: StopPurchasingRunInput!) { stopPurchasingRun(input: $input) {
  ... on StopPurchasingRunPayload { job { state } round { status } }
  ... on UserErrors { errors { code message } } } }"""


def solvable(live: Live) -> str:
    """A round that is being solved: one practice wants gloves of one supplier."""
    now, practice = live.hub.now(), live.practice("North")
    needs = [("gloves", 50)]

    def seed(session: Any) -> str:
        session.add(Connection(id="c", name="c", connector_id="t", config={}, created_at=now))
        session.add(Item(id="gloves", gtin="00012345678905", name="Gloves", category="gloves"))
        session.flush()
        session.add(Supplier(id="acme", name="Acme", connection_id="c", rebates={}))
        session.flush()
        facts = {"pack_units": 10, "pack_unit_code": "BX", "updated_at": now}
        session.add(
            Offer(
                id="o", supplier_id="acme", item_id="gloves", external_id="o", vendor_part="G",
                **facts,
            )
        )  # fmt: skip
        session.flush()
        session.add(OfferTier(offer_id="o", from_packs=0, price=Decimal("9.00")))
        return rounds.open_round(session, name="March", now=now)

    round_id = str(live.do(seed))
    live.hub.database.transaction(
        practice_scope(practice),
        lambda s: requisitions.submit_requisition(
            s, practice_id=practice, round_id=round_id, lines=needs, by="test", now=now
        ),
    )
    live.do(lambda s: rounds.run_round(s, round_id=round_id, now=now))
    return round_id


def solves_until_stopped(better: threading.Event) -> Any:
    """In place of a solver: tells of a plan, of a `better` one, and never proves the last cent."""

    def solve(job: Any, call: Any, argument: Any, told: Any, megabytes: int) -> None:
        told(Progress("greedy", 0.1, 50_000, 40_000, {}))
        better.wait(LONGEST)
        told.last = -math.inf  # as if seconds had gone by
        told(Progress("solver", 3.0, 45_000, 44_000, {}))
        while True:
            job.check()
            time.sleep(0.02)

    return solve


def test_a_subscriber_sees_a_solve_go_on_and_stop(live, socket, monkeypatch):
    better = threading.Event()
    monkeypatch.setattr(purchasing_jobs, "run_telling", solves_until_stopped(better))
    now = live.hub.now()
    _, live.keys["buyer"] = live.do(
        lambda s: create_client(s, "buyer", PrincipalKind.MSO_APP, None, now=now, write=True)
    )
    round_id = solvable(live)
    live.do(events.number)
    socket.start(live.keys["mso"])
    socket.subscribe(RUNNING, after="0")
    seen: list[dict[str, Any]] = []

    def follow(state: str, **progress: int) -> None:
        while not seen or seen[-1]["state"] != state or not (
            progress.items() <= (seen[-1]["progress"] or {}).items()
        ):  # fmt: skip
            job = socket.next()["jobProgress"]["job"]
            if job["kind"] == "purchasing.solve_round":
                seen.append(job)

    with Service(live.hub, ["jobs"]):
        follow("RUNNING", phase=1, gap_millionths=200_000)
        better.set()
        follow("RUNNING", phase=4, cost_millionths=900_000, lower_bound_millionths=880_000)
        asked = {"roundId": global_id("PurchasingRound", round_id), "why": "Enough."}
        answer = httpx2.post(
            f"http://{live.address}",
            json={"query": STOP, "variables": {"input": asked}},
            headers={"Authorization": f"Bearer {live.keys['buyer']}"},
        ).json()
        assert answer["data"]["stopPurchasingRun"]["round"]["status"] in {"solving", "locked"}
        follow("CANCELLED", phase=4)
    with live.hub.database.read(SCOPE) as session:
        [row] = session.scalars(select(PurchasingRound))
        assert row.status == "locked"


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([{"type": "subscribe", "id": "1", "payload": {"query": JOBS}}], 4401),
        ([{"type": "connection_init", "payload": {"authorization": "Bearer x"}}], 4403),
        ([{"type": "connection_init"}], 4403),
        (["init", "init"], 4429),
        (["init", {"type": "subscribe", "id": 1, "payload": {"query": JOBS}}], 4400),
        (["init", {"type": "nothing"}], 4400),
        (["not JSON"], 4400),
        (["[]"], 4400),
        (
            ["init"] + [{"type": "subscribe", "id": "1", "payload": {"query": JOBS}}] * 2,
            4409,
        ),
    ],
)
def test_what_breaks_the_protocol_closes_the_connection(live, socket, messages, code):
    init = {"type": "connection_init", "payload": {"authorization": f"Bearer {live.keys['mso']}"}}
    for message in messages:
        sent = init if message == "init" else message
        socket.socket.send(sent if isinstance(sent, str) else json.dumps(sent))
    assert socket.closed() == code


def test_only_the_one_subprotocol_is_spoken(live):
    with connect(f"ws://{live.address}", subprotocols=["graphql-ws"]) as opened:
        assert Socket(opened).closed() == 4406


def test_a_page_of_another_origin_is_refused(live):
    with pytest.raises(InvalidStatus):
        connect(f"ws://{live.address}", subprotocols=[PROTOCOL], origin="http://evil.example")
    own = f"http://{live.address.partition('/')[0]}"
    with connect(f"ws://{live.address}", subprotocols=[PROTOCOL], origin=own) as opened:
        Socket(opened).start(live.keys["mso"])


def test_a_query_and_a_wrong_document_are_answered_over_the_socket(live, socket):
    socket.start(live.keys["mso"])
    query = {"query": "{ practices { totalCount } }"}
    socket.send(type="subscribe", id="q", payload=query)
    assert socket.receive()["payload"]["data"] == {"practices": {"totalCount": 0}}
    assert socket.receive() == {"type": "complete", "id": "q"}
    socket.send(type="subscribe", id="w", payload={"query": "subscription { nothing }"})
    message = socket.receive()
    assert (message["type"], message["id"]) == ("error", "w")
    assert message["payload"][0]["extensions"]["code"] == "BAD_INPUT"


def test_a_connection_holds_fifty_operations(live, socket):
    socket.start(live.keys["mso"])
    for number in range(51):
        payload = {"query": "subscription { jobProgress { id } }"}
        socket.send(type="subscribe", id=str(number), payload=payload)
    message = socket.receive()
    assert (message["type"], message["id"]) == ("error", "50")


class Stream:
    """Reads a stream of server-sent events."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self._lines = response.iter_lines()

    def event(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for line in self._lines:
            if not line and found:
                return found
            name, _, value = line.partition(":")
            if name:
                found[name] = value.strip()
        return found

    def data(self) -> Any:
        event = self.event()
        assert event["event"] == "next"
        return json.loads(event["data"])


def post(live: Live, query: str, name: str = "mso", **headers: str) -> Any:
    return httpx2.stream(
        "POST",
        f"http://{live.address}",
        json={"query": query},
        headers={**live.headers(name), **headers},
        timeout=LONGEST,
        trust_env=False,
    )


def test_a_stream_has_the_number_of_each_event_and_resumes_from_it(live):
    live.add_job()
    live.do(events.number)
    query = "subscription { jobProgress { job { state } } }"
    with post(live, query, **{"Last-Event-ID": "0"}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-store"
        stream = Stream(response)
        assert stream.event()["id"] == "1"
        live.add_job()
        assert stream.event()["id"] == "2"
    with post(live, query, **{"Last-Event-ID": "1"}) as response:
        assert Stream(response).event()["id"] == "2"


def test_a_stream_that_cannot_start_says_why_and_completes(live):
    for query in ("{ practices { totalCount } }", "subscription { nothing }"):
        with post(live, query) as response:
            stream = Stream(response)
            assert stream.data()["errors"][0]["extensions"]["code"] == "BAD_INPUT"
            assert stream.event()["event"] == "complete"


def test_a_stream_ends_when_its_credential_is_revoked(live):
    live.add_job()
    live.do(events.number)
    with post(live, JOBS.replace("($after: ID)", "").replace("$after", '"0"'), "mso") as response:
        stream = Stream(response)
        stream.data()
        live.do(lambda s: revoke_client(s, "mso", now=live.hub.now()))
        live.add_job()
        assert stream.data()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        assert stream.event()["event"] == "complete"


def test_a_stream_needs_a_credential_and_says_nothing_in_its_address(live):
    live.keys["nobody"] = "hub_0_0"
    with post(live, JOBS, "nobody") as response:
        assert response.status_code == 401
    answer = httpx2.get(
        f"http://{live.address}",
        params={"query": "subscription { jobProgress { id } }"},
        headers=live.headers("mso"),
        trust_env=False,
    )
    assert answer.status_code == 405


def test_a_plain_request_is_told_how_to_subscribe(live):
    answer = httpx2.post(
        f"http://{live.address}",
        json={"query": JOBS},
        headers={**live.headers("mso"), "Accept": "application/json"},
        trust_env=False,
    ).json()
    assert "text/event-stream" in answer["errors"][0]["message"]


def test_a_credential_holds_a_bounded_number_of_streams(live, socket, monkeypatch):
    live.client("other")
    monkeypatch.setattr("hub.entrypoints.open_streams.MOST_STREAMS", 2)
    socket.start(live.keys["mso"])  # one stream
    live.add_job()
    live.do(events.number)
    socket.subscribe(JOBS, "1", after="0")  # and one more
    socket.next()
    socket.subscribe(JOBS, "2", after="0")
    refused = socket.receive()
    assert (refused["id"], refused["type"]) == ("2", "error")
    assert refused["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
    with connect(f"ws://{live.address}", subprotocols=[PROTOCOL]) as opened:
        further = Socket(opened)
        further.send(
            type="connection_init", payload={"authorization": f"Bearer {live.keys['mso']}"}
        )
        assert further.closed() == 1013
    with connect(f"ws://{live.address}", subprotocols=[PROTOCOL]) as opened:
        Socket(opened).start(live.keys["other"])
    socket.send(type="complete", id="1")
    wait_until(lambda: stream_opens(socket), LONGEST)


def stream_opens(socket: Socket) -> bool:
    socket.subscribe(JOBS, "3", after="0")
    return socket.receive()["type"] == "next"
