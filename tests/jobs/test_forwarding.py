"""Messages that go on to other systems as they came in, by the rules of the destination."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connectors.hl7v2_destination.simulator import FakeReceiver
from hub.domain.agreements import unrestricted_scope
from hub.services import connections, outbound
from hub.storage.tables import Connection, InboundMessage, OutboundMessage

ALL = unrestricted_scope("test")


@pytest.fixture
def destination(office: Any) -> Iterator[Callable[..., FakeReceiver]]:
    """Adds a destination with these rules."""

    def add(rules: list[dict[str, Any]]) -> FakeReceiver:
        receiver = FakeReceiver()
        office.hub.database.transaction(
            ALL,
            lambda session: connections.add(
                session,
                office.hub.crypto,
                connection_id="lab",
                name="Lab",
                connector_id="hl7v2_destination",
                config={"host": "127.0.0.1", "port": receiver.port, "tls": False},
                routing={"forward": rules},
                now=office.clock(),
            ),
        )
        return receiver

    yield add
    office.broker.context.links.close()


def source_of(office: Any) -> Connection:
    return next(row for row in office.all(Connection) if row.connector_id == "ehr_hl7v2")


def test_what_a_connection_accepts_goes_on_byte_for_byte_in_the_order_it_came(
    office: Any, destination: Callable[..., FakeReceiver]
) -> None:
    traffic = office.traffic()[:60]
    source = source_of(office)
    application = source.routing["sending_application"].encode()
    wanted = [m.content for m in traffic if m.content.split(b"|")[2] == application]
    with destination([{"from": source.name}]) as receiver:
        for message in traffic:
            office.receive(message)
        for message in traffic[:20]:  # what comes again is not forwarded again
            office.receive(message)
        office.drain()
        assert receiver.received == wanted
    assert wanted
    assert {row.raw for row in office.all(OutboundMessage)} == {None}
    assert {row.state for row in office.all(InboundMessage)} == {"processed"}


def test_only_the_types_a_rule_names_go_on_and_nothing_that_was_refused(
    office: Any, destination: Callable[..., FakeReceiver]
) -> None:
    traffic = office.traffic()[:60]
    source = source_of(office)
    rules = [{"from": source.name, "types": ["SIU", "ADT^A04"]}]
    with destination(rules) as receiver:
        for message in traffic:
            office.receive(message)
        refused = traffic[0].content.replace(b"|ADT^A", b"|ADT^X")
        office.receive(refused)
        office.drain()
        types = {content.split(b"|")[8][:7] for content in receiver.received}
    assert types <= {b"SIU^S12", b"SIU^S15", b"SIU^S13", b"SIU^S14", b"ADT^A04", b"SIU^S26"}
    assert b"ADT^A04" in types
    assert len(types) > 1


def full(office: Any, **settings: Any) -> None:
    """Change the settings of the destination."""

    def work(session: Any) -> None:
        row = session.get_one(Connection, "lab")
        row.config = {**row.config, **settings}

    office.hub.database.transaction(ALL, work)


def test_a_full_queue_parks_what_comes_until_a_person_sends_it_on(
    office: Any, destination: Callable[..., FakeReceiver]
) -> None:
    source = source_of(office)
    application = source.routing["sending_application"].encode()
    first, second, *_ = (m for m in office.traffic() if m.content.split(b"|")[2] == application)
    with destination([{"from": source.name}]) as receiver:
        full(office, most_waiting=1, when_full="park")
        office.receive(first)
        office.receive(second)
        states = {
            row.control_id: (row.state, row.fault_code) for row in office.all(OutboundMessage)
        }
        assert sorted(states.values()) == [("parked", "queue_full"), ("queued", "")]
        office.drain()
        assert receiver.received == [first.content]
        (parked,) = (row for row in office.all(OutboundMessage) if row.state == "parked")
        office.hub.database.transaction(
            ALL, lambda session: outbound.resend(session, [parked.id], now=office.clock())
        )
        office.drain()
        assert receiver.received == [first.content, second.content]


def test_a_full_queue_turns_a_sender_away_until_there_is_room(
    office: Any, destination: Callable[..., FakeReceiver]
) -> None:
    source = source_of(office)
    application = source.routing["sending_application"].encode()
    first, second, *_ = (m for m in office.traffic() if m.content.split(b"|")[2] == application)
    with destination([{"from": source.name}]) as receiver:
        full(office, most_waiting=1)
        office.receive(first)
        again = office.receive(second)
        office.drain()
        assert receiver.received == [first.content]
        assert office.receive(second) == again  # there is room: the same row, judged anew
        office.drain()
        assert receiver.received == [first.content, second.content]
        assert {row.state for row in office.all(InboundMessage)} == {"processed"}
