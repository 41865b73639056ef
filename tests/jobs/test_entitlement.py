"""Jobs that nobody may have run: forged, altered, or asked for by a client without rights now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, update

from hub.auth.credentials import create_client, principal_of, revoke_client
from hub.auth.scopes import load_scope
from hub.domain.agreements import PrincipalKind, Purpose, Scope, unrestricted_scope
from hub.domain.jobs import Job
from hub.storage import queue
from hub.storage.session import ScopedSession
from hub.storage.tables import AuditEvent, Client, JobRow, Practice
from jobs import actors
from jobs.actors import ActorSpec
from jobs.running import bound

ALL = unrestricted_scope("test")
NORTH = "north"


@pytest.fixture
def office(bare_office: Any) -> Any:
    """A hub with two practices."""

    def work(session: ScopedSession) -> None:
        for name in (NORTH, "south"):
            zone, now = "America/Chicago", bare_office.clock()
            session.add(Practice(id=name, name=name, zone=zone, created_at=now))

    bare_office.hub.database.transaction(ALL, work)
    return bare_office


class Message:
    def __init__(self, *args: str) -> None:
        self.args = args


def step(office: Any) -> JobRow:
    """Run the one due job as a worker does; its row afterwards."""
    (job,) = office.claim(queue.DEFAULT_QUEUE)
    office.broker.hold(job)
    bound(office.broker, actors.ACTORS[job.kind])(job.token)
    office.broker.outcome.after_process_message(office.broker, Message(job.token))
    office.broker.drop(job.token)
    with office.hub.database.read(ALL) as session:
        return session.get_one(JobRow, job.id)  # type: ignore[no-any-return]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ids of jobs whose actor was called."""
    found: list[int] = []
    spec = ActorSpec(lambda job: found.append(job.claimed.id), 60_000)
    monkeypatch.setitem(actors.ACTORS, Job.PRUNE, spec)
    return found


def client_scope(office: Any, **grants: Any) -> Scope:
    """The scope of a new practice's app."""

    def work(session: ScopedSession) -> Scope:
        client, _ = create_client(
            session, "desk", PrincipalKind.PRACTICE_APP, NORTH, now=office.clock(),
            **grants,
        )  # fmt: skip
        return load_scope(session, principal_of(client), Purpose.OPERATIONS, office.clock())

    return office.hub.database.transaction(ALL, work)  # type: ignore[no-any-return]


def add(office: Any, scope: Scope, practice_id: str | None = None) -> None:
    office.hub.database.transaction(
        scope,
        lambda s: queue.add(s, Job.PRUNE, {"n": 1}, now=office.clock(), practice_id=practice_id),
    )


def denied(office: Any) -> list[tuple[str, str]]:
    """Operation and principal of what the audit trail says was denied."""
    with office.hub.database.read(ALL) as session:
        rows = session.scalars(select(AuditEvent).where(AuditEvent.outcome == "denied"))
        return [(row.operation, row.principal_id) for row in rows]


def test_the_hubs_own_job_runs(office: Any, runs: list[int]) -> None:
    add(office, ALL)
    assert step(office).state == "done"
    assert len(runs) == 1
    assert denied(office) == []


@pytest.mark.parametrize(
    "change", [{"args": {"n": 2}}, {"envelope": ""}, {"practice_id": "elsewhere"}]
)
def test_an_altered_job_is_not_run(office: Any, runs: list[int], change: dict[str, Any]) -> None:
    add(office, ALL)
    office.hub.database.transaction(ALL, lambda s: s.execute(update(JobRow).values(**change)))
    row = step(office)
    assert (row.state, row.error_code, runs) == ("dead", "BAD_ENVELOPE", [])
    assert denied(office) == [("job maintenance.prune", "")]


def test_a_clients_job_runs_while_it_has_its_rights(office: Any, runs: list[int]) -> None:
    scope = client_scope(office, write=True)
    add(office, scope, NORTH)
    assert step(office).state == "done"
    assert len(runs) == 1


def revoke(session: ScopedSession, office: Any) -> None:
    revoke_client(session, "desk", now=office.clock())


def make_read_only(session: ScopedSession, office: Any) -> None:
    session.execute(update(Client).values(write=False))


def move(session: ScopedSession, office: Any) -> None:
    session.execute(update(Client).values(practice_id="south"))


@pytest.mark.parametrize("change", [revoke, make_read_only, move])
def test_a_clients_job_is_not_run_once_its_rights_are_gone(
    office: Any, runs: list[int], change: Callable[[ScopedSession, Any], None]
) -> None:
    scope = client_scope(office, write=True)
    add(office, scope, NORTH)
    office.hub.database.transaction(ALL, lambda s: change(s, office))
    row = step(office)
    assert (row.state, row.error_code, runs) == ("dead", "FORBIDDEN", [])
    assert denied(office) == [("job maintenance.prune", scope.principal_id)]
