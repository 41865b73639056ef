"""Messages on their way to receivers that behave and misbehave: order, repetition, parking."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from connectors.hl7v2_destination.simulator import Behaviour, FakeReceiver
from connectors.sdk.hl7v2.framing import wrap
from hub.domain.agreements import unrestricted_scope
from hub.domain.jobs import Job
from hub.errors import Conflict, Rejected
from hub.services import connections, outbound
from hub.services.outbound import Content
from hub.storage import claiming, leases, outbox, queue
from hub.storage.queue import ClaimedJob
from hub.storage.tables import Connection, JobRow, OutboundMessage
from jobs.actors import ACTORS
from jobs.holding import parts_of
from jobs.running import bound
from jobs.worker import JobWorker
from tests.polling import wait_until

ALL = unrestricted_scope("test")
LAB = "lab"


@pytest.fixture
def office(bare_office: Any) -> Iterator[Any]:
    yield bare_office
    bare_office.broker.context.links.close()


def add_lab(
    office: Any, *plan: Behaviour, routing: Any = None, port: int = 0, **config: Any
) -> FakeReceiver:
    """Add the destination `lab`, which is a receiver with this plan."""
    receiver = FakeReceiver(plan, port=port)
    settings = {"host": "127.0.0.1", "port": receiver.port, "tls": False} | config
    office.hub.database.transaction(
        ALL,
        lambda session: connections.add(
            session,
            office.hub.crypto,
            connection_id=LAB,
            name="Lab",
            connector_id="hl7v2_destination",
            config={"answer_seconds": 0.2} | settings,
            routing=routing,
            now=office.clock(),
        ),
    )
    return receiver


@pytest.fixture
def destination(office: Any) -> Callable[..., FakeReceiver]:
    return partial(add_lab, office)


def content(number: int = 1) -> Content:
    control_id = f"OUT{number}"
    raw = f"MSH|^~\\&|HUB|MSO|LAB|MAIN|20260302||ADT^A08|{control_id}|P|2.5.1\rPID|1||77\r"
    return Content(raw.encode(), "ADT^A08", control_id)


def queue_up(office: Any, *messages: Content) -> list[str]:
    found: list[str] = office.hub.database.transaction(
        ALL,
        lambda session: outbound.add(
            session,
            office.hub.crypto,
            connection_id=LAB,
            messages=messages or [content()],
            now=office.clock(),
        ),
    )
    return found


def run(office: Any, rounds: int = 30) -> None:
    """Let time pass until everything is done or dead."""
    for _ in range(rounds):
        while office.step() is not None:
            pass
        if all(row.state in {"done", "dead"} for row in office.all(JobRow)):
            return
        office.clock.forward(minutes=20)


def sent(office: Any) -> dict[str, Any]:
    return {row.control_id: row for row in office.all(OutboundMessage)}


def test_messages_go_out_in_order_over_one_connection(office: Any, destination: Any) -> None:
    messages = [content(number) for number in range(8)]
    with destination() as receiver:
        queue_up(office, *messages)
        run(office)
        assert receiver.received == [message.raw for message in messages]
        assert receiver.connections == 1
    for row in office.all(OutboundMessage):
        assert (row.state, row.attempts, row.answer_code) == ("accepted", 1, "AA")
        answer = outbox.answer(office.hub.crypto, row)
        assert b"MSA|AA|" + row.control_id.encode() in answer
        assert b"OUT" not in row.raw


@pytest.mark.parametrize("behaviour", ["later", "close", "cut", "other", "silent"])
def test_what_is_not_accepted_yet_goes_out_again_unchanged_before_the_next(
    office: Any, destination: Any, behaviour: Behaviour
) -> None:
    with destination(behaviour) as receiver:
        queue_up(office, content(1), content(2))
        run(office)
        assert receiver.received == [content(1).raw, content(1).raw, content(2).raw]
    rows = sent(office)
    assert [(row.state, row.attempts) for row in rows.values()] == [
        ("accepted", 2 if row.control_id == "OUT1" else 1) for row in rows.values()
    ]
    assert {row.fault_code for row in rows.values()} == {""}


def test_a_message_that_waits_says_why(office: Any, destination: Any) -> None:
    with destination("later", "silent"):
        (outbound_id,) = queue_up(office)
        office.step()
        row = sent(office)["OUT1"]
        assert (row.state, row.answer_code, row.fault_code, row.fault_path) == (
            "queued", "AE", "206", "PID-3",
        )  # fmt: skip
        office.clock.forward(minutes=1)
        office.step()
        assert sent(office)["OUT1"].fault_code == "no_answer"
        with pytest.raises(Conflict):
            resend(office, outbound_id)


def resend(office: Any, *ids: str) -> None:
    office.hub.database.transaction(
        ALL, lambda session: outbound.resend(session, ids, now=office.clock())
    )


def test_a_refused_message_is_parked_and_the_next_goes_out(office: Any, destination: Any) -> None:
    with destination("refuse") as receiver:
        first, _ = queue_up(office, content(1), content(2))
        run(office)
        rows = sent(office)
        assert (rows["OUT1"].state, rows["OUT2"].state) == ("parked", "accepted")
        assert (rows["OUT1"].fault_code, rows["OUT1"].fault_path) == ("101", "PV1-19")
        assert rows["OUT1"].fault_text.endswith(".")
        (dead,) = [row for row in office.all(JobRow) if row.state == "dead"]
        assert dead.attempt == 1
        resend(office, first)
        assert sent(office)["OUT1"].state == "queued"
        run(office)
        assert sent(office)["OUT1"].state == "accepted"
        assert receiver.received == [content(1).raw, content(2).raw, content(1).raw]


def test_where_so_set_everything_waits_behind_a_refused_message(
    office: Any, destination: Any
) -> None:
    with destination("refuse", pause_when_refused=True) as receiver:
        first, _ = queue_up(office, content(1), content(2))
        for _ in range(3):
            office.step()
        assert receiver.received == [content(1).raw]
        assert {c.paused for c in office.all(Connection) if c.id == LAB} == {True}
        resend(office, first)
        office.hub.database.transaction(
            ALL, lambda session: connections.resume(session, LAB, now=office.clock())
        )
        run(office)
        assert receiver.received == [content(1).raw, content(1).raw, content(2).raw]


def test_after_its_last_attempt_an_unanswered_message_is_parked(
    office: Any, destination: Any
) -> None:
    with destination(*["close"] * 12) as receiver:
        queue_up(office)
        run(office)
        assert len(receiver.received) == 12
    assert (sent(office)["OUT1"].state, sent(office)["OUT1"].attempts) == ("parked", 12)


def test_a_receiver_that_is_away_costs_no_attempt_and_shows_on_the_connection(
    office: Any, destination: Any
) -> None:
    receiver = destination()
    port = receiver.port
    with receiver:
        pass
    queue_up(office)
    waits = []
    for _ in range(20):
        job = office.step()
        assert (job.state, job.attempt, job.error_code) == ("ready", 0, "UNREACHABLE")
        waits.append(job.run_at - office.clock())
        office.clock.now = job.run_at
    assert waits[0] <= timedelta(seconds=1)
    assert waits == sorted(waits)
    assert waits[-1] == timedelta(minutes=1)
    (lab,) = [row for row in office.all(Connection) if row.id == LAB]
    assert (lab.status, lab.retry_at) == ("unreachable", office.clock())
    with FakeReceiver(port=port) as back:
        run(office)
        assert back.received == [content().raw]
    (lab,) = [row for row in office.all(Connection) if row.id == LAB]
    assert (lab.status, lab.status_reason, lab.retry_at) == ("ok", "", None)


def test_certificates_that_cannot_be_read_keep_the_message_waiting(
    office: Any, destination: Any
) -> None:
    missing = {"tls": True, "tls_authorities": "file:/nowhere/ca.pem"}
    with destination(**missing) as receiver:
        queue_up(office)
        job = office.step()
        assert (job.state, job.error_code, job.attempt) == ("ready", "UNREACHABLE", 0)
        assert receiver.received == []


def test_a_worker_killed_between_send_and_answer_leaves_a_message_that_is_sent_again(
    office: Any, destination: Any
) -> None:
    with destination() as receiver:
        queue_up(office, content(1), content(2))
        assert len(office.claim("sending")) == 1  # and the worker is gone
        with socket.create_connection(("127.0.0.1", receiver.port)) as lost:
            lost.sendall(wrap(content(1).raw))
            lost.recv(65536)
        office.clock.forward(minutes=2)
        office.hub.database.transaction(ALL, lambda s: leases.rescue(s, now=office.clock()))
        run(office)
        assert receiver.received == [content(1).raw, content(1).raw, content(2).raw]
    assert {row.state for row in office.all(OutboundMessage)} == {"accepted"}


def test_a_restart_of_the_receiver_between_messages_costs_nothing(
    office: Any, destination: Any
) -> None:
    with destination() as receiver:
        queue_up(office)
        run(office)
        receiver.hang_up()
        queue_up(office, content(2))
        run(office)
        assert (len(receiver.received), receiver.connections) == (2, 2)
    assert {row.attempts for row in office.all(OutboundMessage)} == {1}


def test_a_message_without_control_id_is_not_queued(office: Any, destination: Any) -> None:
    with destination(), pytest.raises(Rejected, match="MSH-10"):
        queue_up(office, Content(b"MSH|^~\\&|\r", "ADT^A08", ""))
    assert not [row for row in office.all(JobRow) if row.kind == Job.SEND_MESSAGE]


def test_a_receiver_that_does_not_answer_holds_up_nothing_else(
    office: Any, destination: Any
) -> None:
    settings = office.hub.settings.model_copy(update={"worker_threads": 1, "sender_threads": 1})
    context = replace(office.hub.job_context(), settings=settings, now=lambda: datetime.now(UTC))
    with destination("silent", answer_seconds=20.0) as receiver:
        office.clock.now = datetime.now(UTC) - timedelta(minutes=1)
        queue_up(office)
        worker = JobWorker(context, run_schedules=False, poll_milliseconds=50)
        worker.start()
        try:
            wait_until(lambda: receiver.received != [])
            office.add(Job.PRUNE)
            wait_until(lambda: {j.state for j in office.all(JobRow)} == {"running", "done"})
        finally:
            receiver.hang_up()  # so that the worker need not wait for the answer
            worker.stop()


def send_round(office: Any, before: Callable[[], None] = lambda: None) -> list[int]:
    """Claim what is due as a worker does and run it; how many messages each part held."""
    spec = ACTORS[Job.SEND_MESSAGE]
    jobs = office.hub.database.transaction(
        ALL,
        lambda session: claiming.claim(
            session,
            limit=4,
            lease=timedelta(minutes=1),
            now=office.clock(),
            queue=queue.SENDING_QUEUE,
            in_lane={Job.SEND_MESSAGE},
        ),
    )
    office.broker.hold(*jobs)
    parts = parts_of(jobs, ())
    before()
    for part in parts:
        running = [office.broker.held[job.token] for job in part]
        failure: Exception | None = None
        try:
            bound(office.broker, spec)(*(job.token for job in part))
        except Exception as error:
            failure = error
        for one in running:
            office.broker.outcome.settle(one, failure)
        office.broker.drop(*(job.token for job in part))
    return [len(part) for part in parts]


def states(office: Any) -> list[tuple[str, str, int]]:
    rows = sent(office)
    return [(name, rows[name].state, rows[name].attempts) for name in sorted(rows)]


def test_the_next_messages_of_a_destination_go_out_together_strictly_in_order(
    office: Any, destination: Any
) -> None:
    messages = [content(number) for number in range(20)]
    with destination() as receiver:
        queue_up(office, *messages)
        assert [send_round(office), send_round(office), send_round(office)] == [[16], [4], []]
        assert receiver.received == [message.raw for message in messages]
        assert receiver.connections == 1
    assert {row.state for row in office.all(OutboundMessage)} == {"accepted"}
    assert {row.state for row in office.all(JobRow)} == {"done"}


@pytest.mark.parametrize("behaviour", ["later", "cut", "close", "other"])
def test_after_one_that_is_not_accepted_the_others_wait_and_cost_no_attempt(
    office: Any, destination: Any, behaviour: Behaviour
) -> None:
    with destination("accept", "accept", behaviour) as receiver:
        queue_up(office, *map(content, range(1, 6)))
        assert send_round(office) == [5]
        assert receiver.received == [content(number).raw for number in (1, 2, 3)]
        assert states(office) == [
            ("OUT1", "accepted", 1), ("OUT2", "accepted", 1), ("OUT3", "queued", 1),
            ("OUT4", "queued", 0), ("OUT5", "queued", 0),
        ]  # fmt: skip
        jobs = sorted(office.all(JobRow), key=lambda job: job.id)
        assert [job.attempt for job in jobs] == [1, 1, 1, 0, 0]
        assert send_round(office) == []
        run(office)
        assert receiver.received[3:] == [content(number).raw for number in (3, 4, 5)]


def test_one_that_is_refused_among_others_is_parked_and_the_rest_go_out(
    office: Any, destination: Any
) -> None:
    with destination("accept", "refuse") as receiver:
        queue_up(office, *map(content, range(1, 5)))
        send_round(office)
        assert [state for _, state, _ in states(office)] == [
            "accepted", "parked", "queued", "queued",
        ]  # fmt: skip
        run(office)
        assert receiver.received == [content(number).raw for number in (1, 2, 3, 4)]
    assert [job.state for job in sorted(office.all(JobRow), key=lambda job: job.id)] == [
        "done", "dead", "done", "done",
    ]  # fmt: skip


def test_a_worker_that_lost_its_lease_writes_nothing_and_the_same_bytes_go_out_again(
    office: Any, destination: Any
) -> None:
    def rescued() -> None:
        office.clock.forward(minutes=5)
        office.hub.database.transaction(ALL, lambda s: leases.rescue(s, now=office.clock()))

    messages = [content(number) for number in range(1, 4)]
    with destination() as receiver:
        queue_up(office, *messages)
        send_round(office, rescued)
        assert {state for _, state, _ in states(office)} == {"queued"}
        run(office)
        raw = [message.raw for message in messages]
        assert receiver.received[-3:] == raw
        assert set(receiver.received) == set(raw)
    assert {row.state for row in office.all(OutboundMessage)} == {"accepted"}


def test_nobody_reached_costs_no_message_an_attempt(office: Any, destination: Any) -> None:
    with destination() as receiver:
        queue_up(office, *map(content, range(1, 4)))
        port = receiver.port
    assert port
    assert send_round(office) == [3]
    assert [job.attempt for job in office.all(JobRow)] == [0, 0, 0]
    assert {attempts for _, _, attempts in states(office)} == {0}


def test_a_slow_destination_is_a_part_of_its_own() -> None:
    def job(id: int, *, follows: bool) -> ClaimedJob:
        now = datetime.now(UTC)
        lanes = () if follows else (f"lane{id}",)
        return ClaimedJob(id, Job.SEND_MESSAGE, str(id), "p", {}, 1, 12, now, lanes, follows)

    jobs = [job(1, follows=False), job(2, follows=True), job(3, follows=False)]
    assert [[one.id for one in part] for part in parts_of(jobs, ())] == [[1, 2], [3]]
