"""Messages that go on to other systems as they came in, by the rules of the destination."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connectors.hl7v2_destination.simulator import FakeReceiver
from hub.domain.agreements import unrestricted_scope
from hub.services import connections
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
