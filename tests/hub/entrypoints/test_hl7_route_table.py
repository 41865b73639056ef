"""The listener's routes: asked for at once, read elsewhere, too old after a while."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from connectors import registry
from hub.domain.agreements import unrestricted_scope
from hub.entrypoints import hl7_route_table
from hub.entrypoints.hl7_route_table import TOO_OLD_SECONDS, RouteTable, load_routes
from hub.entrypoints.hl7_routes import Routes
from hub.errors import ConfigError
from hub.services import connections
from hub.storage.crypto import Crypto
from hub.storage.session import Database, ScopedSession

NOBODY: Any = None


def test_while_the_database_hangs_the_last_routes_are_given_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hl7_route_table, "ROUTES_SECONDS", 0.001)
    first, hanging, answers = Routes(()), threading.Event(), threading.Event()
    calls: list[int] = []

    def load(_: Any) -> Routes:
        calls.append(1)
        if len(calls) > 1:
            hanging.set()
            answers.wait(30)
        return first if len(calls) == 1 else Routes(())

    table = RouteTable(NOBODY, load)
    table.start()
    try:
        assert hanging.wait(30)
        assert table() is first
    finally:
        answers.set()
        table.stop()


def test_routes_that_cannot_be_read_stay_and_are_too_old_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hl7_route_table, "ROUTES_SECONDS", 0.001)
    time, failed, read = [100.0], threading.Event(), [Routes(())]

    def load(_: Any) -> Routes:
        if not read:
            failed.set()
            raise RuntimeError
        return read.pop()

    first = read[0]
    table = RouteTable(NOBODY, load, lambda: time[0])
    assert not table.is_fresh()
    table.start()
    try:
        assert failed.wait(30)
        assert table() is first
        assert table.is_fresh()
        time[0] += TOO_OLD_SECONDS
        assert not table.is_fresh()
    finally:
        table.stop()


def test_a_table_that_cannot_be_read_at_the_start_says_so() -> None:
    def load(_: Any) -> Routes:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        RouteTable(NOBODY, load).start()


def test_a_connection_whose_settings_no_longer_hold_takes_no_other_with_it(
    database: Database, crypto: Crypto, now: datetime
) -> None:
    def seed(session: ScopedSession) -> None:
        for name, config in (("good", {}), ("odd", {"events": {"alias": {"A^1": "A^2"}}})):
            connections.add(
                session, crypto, connection_id=name, name=name, connector_id="ehr_hl7v2",
                config=config, now=now, routing={"sending_application": name.upper()},
            )  # fmt: skip

    database.transaction(unrestricted_scope("test"), seed)
    found = load_routes(database)
    assert [one.connection_id for one in found.connections] == ["good"]
    assert found.unusable["odd"].field == "events.alias"
    assert [*found.unusable] == ["odd"]


def test_settings_that_no_longer_hold_are_shown_on_their_connection_until_they_do(
    database: Database, crypto: Crypto, now: datetime
) -> None:
    def given(config: dict[str, Any]) -> Callable[[ScopedSession], object]:
        return lambda session: connections.add(
            session, crypto, connection_id="odd", name="odd", connector_id="ehr_hl7v2",
            config=config, now=now, routing={"sending_application": "ODD"},
        )  # fmt: skip

    def shown() -> tuple[str, str]:
        with database.read(scope) as session:
            row = connections.named(session, "odd")
            return row.status, row.status_reason

    scope = unrestricted_scope("test")
    database.transaction(scope, given({"events": {"alias": {"A^1": "A^2"}}}))
    assert shown() == ("ok", "")
    table = RouteTable(database)
    table.refresh()
    with pytest.raises(ConfigError) as wrong:
        registry.validate_config("ehr_hl7v2", {"events": {"alias": {"A^1": "A^2"}}})
    assert shown() == ("invalid_config", str(wrong.value))
    database.transaction(scope, given({}))
    RouteTable(database).refresh()  # as after a restart
    assert shown() == ("ok", "")
