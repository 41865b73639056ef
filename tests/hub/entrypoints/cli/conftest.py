"""The console script on an embedded database of its own, run in this process."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from hub.domain.agreements import unrestricted_scope
from hub.domain.jobs import Job
from hub.domain.records import Issue
from hub.entrypoints.cli.main import main
from hub.entrypoints.hub import Hub, open_hub
from hub.services import connections
from hub.services.intake import Arrival
from hub.settings import Settings
from hub.storage import inbox, queue
from hub.storage.session import ScopedSession
from hub.storage.tables import AuditEvent, JobRow, Practice

SCOPE = unrestricted_scope("test")
SECRET_NAME = "Quillfeather"


@pytest.fixture
def modules_forgotten(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Connectors written into the test's folder are imported for that test alone."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file is not None and Path(file).is_relative_to(tmp_path):
            del sys.modules[name]


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Desk:
    """An operator's machine: commands, and what is stored once they ended."""

    hub: Hub
    run: Callable[..., Ended]
    messages: dict[str, str] = field(default_factory=dict)
    jobs: dict[str, int] = field(default_factory=dict)

    def rows(self, table: type[Any], **where: Any) -> list[Any]:
        with self.hub.database.read(SCOPE) as session:
            return list(session.scalars(select(table).filter_by(**where)))

    def audited(self) -> list[tuple[str, str, str]]:
        """Operation, principal and reason of every audit event, oldest first."""
        events = sorted(self.rows(AuditEvent), key=lambda event: event.sequence)
        return [(event.operation, event.principal_id, event.reason) for event in events]

    def work(self, work: Callable[[ScopedSession], Any]) -> Any:
        return self.hub.database.transaction(SCOPE, work)


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    """Runs `mso-hub` with these arguments and environment; one line of stdin for each secret."""
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "300")
    for name in ("HUB_DATABASE_URL", "HUB_PROFILE", "HUB_KEY_FILE", "HUB_PUBLIC_URL"):
        monkeypatch.delenv(name, raising=False)

    def command(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["mso-hub", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        code = ended.value.code
        return Ended(code if isinstance(code, int) else 1, captured.out, captured.err)

    return command


@pytest.fixture
def desk(run: Callable[..., Ended], data_dir: Path) -> Iterator[Desk]:
    """Two practices, an EHR's connection, three messages and four jobs."""
    hub = open_hub(Settings(data_dir=data_dir), migrate=True)
    found = Desk(hub, run)
    now = datetime.now(UTC)

    def seed(session: ScopedSession) -> None:
        for name in ("north", "south"):
            session.add(Practice(id=f"id-{name}", name=name, zone="UTC", created_at=now))
        session.flush()
        connections.add(
            session, hub.crypto, connection_id="ehr", name="EHR A", connector_id="ehr_hl7v2",
            config={}, routing={"sending_application": "EHRA"}, now=now,
            practices={"NORTH": "id-north"},
        )  # fmt: skip

    found.work(seed)
    fault = Issue("hl7_100", "MSH", "The frame does not begin with MSH.")
    for name, state, kind in (
        ("good", "received", "hl7v2"),
        ("bad", "quarantined", "hl7v2"),
        ("pushed", "refused", "webhook"),
    ):
        content = f"MSH|^~\\&|{name}\rPID|1||{SECRET_NAME}\r".encode()
        stored = hub.intake.receive(
            Arrival(
                kind, "ehr", "id-north", "mllp:EHRA", f"C-{name}", f"ADT^{name}", content,
                headers={"msh-9": f"ADT^{name}"}, state=state,  # type: ignore[arg-type]
                fault=None if state == "received" else fault,
            )
        )  # fmt: skip
        found.messages[name] = stored.result(timeout=30).inbox_id
    found.jobs = found.work(lambda session: _jobs(session, found.messages["bad"], now))
    yield found
    hub.close()


def _jobs(session: ScopedSession, inbox_id: str, now: datetime) -> dict[str, int]:
    inbox.add_issues(
        session,
        [Issue("bad_date", "PID-7", "The date cannot be read.")],
        now=now,
        practice_id="id-north",
        inbox_id=inbox_id,
    )
    made = {}
    for state in ("dead", "done", "ready"):
        made[state] = queue.add(session, Job.PRUNE, {}, now=now, run_at=now - timedelta(minutes=5))
        row = session.get_one(JobRow, made[state])
        row.state = state
        if state != "ready":
            row.attempt, row.done_at = 1, now
        if state == "dead":
            row.error_code, row.error_text = "UPSTREAM", "It failed."
    return made
