"""Where a connection agreed to it, a message that cannot be read holds what follows it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from structlog.testing import capture_logs

from hub.domain.agreements import unrestricted_scope
from hub.services import apply as apply_module
from hub.services import ended, intake
from hub.services.records import Outcome
from hub.storage import measures, queue
from hub.storage.tables import Connection, InboundMessage, JobRow, Patient
from jobs import ingest
from jobs.worker import rescue, tell

ALL = unrestricted_scope("test")


def agree(office: Any, **settings: Any) -> None:
    def change(session: Any) -> None:
        for row in session.query(Connection).filter_by(connector_id="ehr_hl7v2"):
            row.config = {**row.config, "receiving": {"failing": "hold"}, **settings}

    office.hub.database.transaction(ALL, change)


def message(office: Any, patient: str, control_id: str, event: str, family: str) -> bytes:
    """From the first practice; an A40 of it has no MRG and cannot be read."""
    feed = next(one for one in office.traffic() if one.event == "A04").content
    fields = feed.split(b"\r")[0].split(b"|")
    fields[8], fields[9] = f"ADT^{event}".encode(), control_id.encode()
    said = f"PID|1||{patient}^^^FAC^MR||{family}^Ann||19790412|F\r"
    return b"|".join(fields) + b"\r" + said.encode()


def work(office: Any) -> None:
    """Run what can be run; jobs behind one that holds them stay due."""
    for _ in range(3):
        while office.step() is not None:
            pass
        office.clock.forward(milliseconds=200)


def families(office: Any) -> list[str]:
    return sorted(row.family_name for row in office.all(Patient))


def halted(office: Any) -> int:
    with office.hub.database.read(ALL) as session:
        return measures.halted_lanes(session)


@pytest.fixture
def held(office: Any) -> Any:
    """A lane that stands still behind its second message."""
    agree(office)
    for content in (
        message(office, "M1", "H1", "A28", "First"),
        message(office, "M1", "H2", "A40", "Broken"),
        message(office, "M1", "H3", "A31", "Third"),
        message(office, "M2", "H4", "A28", "Other"),
    ):
        office.receive(content)
    work(office)
    return office


def bad(office: Any) -> InboundMessage:
    (row,) = (one for one in office.all(InboundMessage) if one.control_id == "H2")
    found: InboundMessage = row
    return found


def test_what_follows_waits_and_others_go_on(held: Any) -> None:
    assert families(held) == ["First", "Other"]
    assert (bad(held).state, bad(held).fault_code) == ("quarantined", "merge_incomplete")
    assert halted(held) == 1
    states = {row.control_id: row.state for row in held.all(InboundMessage)}
    assert states["H3"] == "received"
    owed = [job for job in held.all(JobRow) if job.kind.startswith("acknowledging")]
    held.clock.forward(hours=2)  # it looks again, and still cannot read it
    work(held)
    assert families(held) == ["First", "Other"]
    assert [job for job in held.all(JobRow) if job.kind.startswith("acknowledging")] == owed


def test_a_replay_after_the_cause_is_mended_lets_the_lane_go_on(held: Any) -> None:
    agree(held, events={"ignore": ["ADT^A40"]})
    held.hub.database.transaction(
        ALL, lambda s: intake.replay(s, inbox_ids=[bad(held).id], now=held.clock())
    )
    work(held)
    assert families(held) == ["Other", "Third"]
    assert bad(held).state == "ignored"
    assert halted(held) == 0


def test_a_message_whose_job_is_cancelled_is_skipped(held: Any) -> None:
    (job,) = (one for one in held.all(JobRow) if one.error_code == "HALTED")

    def skip(session: Any) -> None:
        assert queue.cancel(session, job.id, now=held.clock())
        ended.note_end(session, job.kind, job.args, why="skipped", now=held.clock())

    held.hub.database.transaction(ALL, skip)
    work(held)
    assert families(held) == ["Other", "Third"]
    assert bad(held).state == "quarantined"


def test_a_job_that_would_be_given_up_holds_its_lane(
    office: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    agree(office)
    office.receive(message(office, "M1", "H2", "A28", "First"))
    office.receive(message(office, "M1", "H3", "A31", "Second"))
    office.hub.database.transaction(ALL, lambda s: s.execute(update(JobRow).values(max_attempts=1)))

    def broken(*_: Any) -> Any:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(ingest, "parse", broken)
        patch.setattr("jobs.ingest_together.parse_with", broken)
        work(office)
        assert families(office) == []
        assert (bad(office).state, bad(office).fault_code) == ("quarantined", "not_read")
        assert halted(office) == 1
    office.clock.forward(seconds=timedelta(hours=2).total_seconds())
    work(office)
    assert families(office) == ["Second"]
    assert halted(office) == 0


@pytest.mark.parametrize(
    ("failing", "before", "after"), [("hold", [], ["Second"]), ("park", ["Second"], ["Second"])]
)
def test_a_message_that_ends_its_worker_on_every_attempt_holds_what_follows_it(
    office: Any, failing: str, before: list[str], after: list[str]
) -> None:
    agree(office, receiving={"failing": failing})
    office.receive(message(office, "M1", "H2", "A28", "First"))
    office.receive(message(office, "M1", "H3", "A31", "Second"))
    office.hub.database.transaction(ALL, lambda s: s.execute(update(JobRow).values(max_attempts=1)))
    (lost,) = office.claim("default")  # and the worker is gone
    office.clock.forward(minutes=2)
    (rescued,) = office.hub.database.transaction(ALL, lambda s: rescue(s, office.clock()))
    assert rescued.over
    with capture_logs() as logged:
        tell([rescued])
    work(office)
    assert families(office) == before
    assert (bad(office).state, bad(office).fault_code) == ("quarantined", "not_read")
    assert halted(office) == (1 if failing == "hold" else 0)
    said = {line["event"]: line for line in logged}
    if failing == "hold":
        assert said["lane_halted"]["inbox_id"] == bad(office).id
    else:
        assert said["job failed"]["job_id"] == lost.id
        assert said["job failed"]["code"] == "worker_lost"
    office.clock.forward(hours=2)
    work(office)
    assert families(office) == after
    assert halted(office) == 0


def test_without_the_agreement_the_lane_goes_on(office: Any) -> None:
    agree(office, receiving={"failing": "park"})
    office.receive(message(office, "M1", "H2", "A40", "Broken"))
    office.receive(message(office, "M1", "H3", "A28", "Third"))
    work(office)
    assert families(office) == ["Third"]
    assert halted(office) == 0


@pytest.mark.parametrize("failing", ["hold", "park"])
def test_a_message_of_which_every_record_is_refused_is_one_that_cannot_be_read(
    office: Any, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    agree(office, receiving={"failing": failing})
    office.receive(message(office, "M1", "H2", "A31", "Refused"))
    office.receive(message(office, "M1", "H3", "A31", "Third"))
    applied = apply_module.apply

    def refusing(session: Any, context: Any, record: Any, **options: Any) -> Any:
        if "Refused" in repr(record.data):
            context.report("odd", "PID-5", "Refused by the test.")
            return Outcome.REJECTED
        return applied(session, context, record, **options)

    with monkeypatch.context() as patch:
        patch.setattr(ingest, "apply", refusing)
        patch.setattr("jobs.ingest_together._apply", _not_together)
        work(office)
    assert (bad(office).state, bad(office).fault_code) == ("quarantined", "odd")
    assert families(office) == ([] if failing == "hold" else ["Third"])


def _not_together(*_: Any) -> None:
    raise RuntimeError
