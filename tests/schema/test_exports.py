"""Bulk exports: who may, what is written, going on after a kill, and the one download."""

from __future__ import annotations

import hashlib
import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from hub.domain.agreements import DataClass, Domain, unrestricted_scope
from hub.entrypoints.exports import ExportReader
from hub.errors import Cancelled, Conflict, Forbidden
from hub.services import exports, housekeeping
from hub.settings import Settings
from hub.storage import claiming, tables
from hub.storage.export_files import ExportFile, delete_others
from hub.storage.reads.write import global_id
from jobs import exports as actor
from jobs.context import JobContext, RunningJob
from schema import exporting

SCOPE = unrestricted_scope("test")
START = """mutation($input: StartExportInput!) { startExport(input: $input) {
  ... on StartExportPayload { downloadPath job { kind } export { id state format } }
  ... on UserErrors { errors { code field message } } } }"""
PATIENTS = "{ patients(orderBy: NAME) { nodes { id familyName practice { name } } } }"
STATE = "query($id: ID!) { node(id: $id) { ... on Export { state chunks rows sha256 } } }"


class Office:
    """Runs the export's job as a worker does."""

    def __init__(self, world: Any, data_dir: Path) -> None:
        self.world = world
        settings = Settings(_env_file=None, data_dir=data_dir)
        now = lambda: world.now  # noqa: E731
        self.context = JobContext(world.database, world.crypto, settings, now)
        hub: Any = self.context
        self.reader = ExportReader(hub)
        self.read = 0

    def chunk(self, request: exports.Request) -> exports.Chunk:
        self.read += 1
        return self.reader(request)

    def run(self, read: Any = None) -> None:
        context = JobContext(
            self.context.database,
            self.context.crypto,
            self.context.settings,
            self.context.now,
            read or self.chunk,
        )
        [claimed] = self.world.database.transaction(
            SCOPE,
            lambda s: claiming.claim(s, limit=1, lease=timedelta(minutes=1), now=self.world.now),
        )
        actor.run(RunningJob(context, claimed))

    def give_back(self) -> None:
        """What the lease's end does to the job of a killed worker."""

        def work(session: Any) -> None:
            session.execute(update(tables.JobRow).values(state="ready", token=None))

        self.world.database.transaction(SCOPE, work)


@pytest.fixture
def office(world, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "CHUNK", 10)
    return Office(world, tmp_path)


def start(api: Any, query: str = PATIENTS, **more: Any) -> Any:
    return api.data(START, input={"query": query, **more})["startExport"]


def lines(answer: Any) -> list[Any]:
    return [json.loads(line) for line in answer.text.splitlines()]


def get(api: Any, path: str) -> Any:
    return api.http.get(path, headers=api.headers)


def test_every_row_is_exported_once_in_order_and_the_file_is_downloaded_once(world, office):
    practice, other = world.practice("North"), world.practice("South")
    world.patients(practice, 25)
    world.patients(other, 3, "Foreign")
    app = world.app(practice, export=True)
    started = start(app)
    assert started["job"] == {"kind": "exports.run"}
    assert started["export"]["state"] == "RUNNING"
    assert get(app, started["downloadPath"]).status_code == 404
    office.run()
    state = app.data(STATE, id=started["export"]["id"])["node"]
    answer = get(app, started["downloadPath"])
    assert answer.headers["content-type"] == "application/jsonl"
    assert [row["familyName"] for row in lines(answer)] == [f"Fam{n:04d}" for n in range(25)]
    assert {row["practice"]["name"] for row in lines(answer)} == {"North"}
    digest = hashlib.sha256(answer.content).hexdigest()
    assert state == {"state": "READY", "chunks": 3, "rows": 25, "sha256": digest}
    assert get(app, started["downloadPath"]).status_code == 404
    assert app.data(STATE, id=started["export"]["id"])["node"]["state"] == "DOWNLOADED"


def test_asking_for_the_head_of_a_download_does_not_spend_it(world, office):
    practice = world.practice("North")
    world.patients(practice, 3)
    app = world.app(practice, export=True)
    path = start(app)["downloadPath"]
    office.run()
    assert app.http.head(path, headers=app.headers).status_code == 405
    assert len(lines(get(app, path))) == 3


def test_the_file_is_encrypted_and_gone_after_the_download(world, office, tmp_path):
    practice = world.practice("North")
    world.patients(practice, 3)
    app = world.app(practice, export=True)
    path = start(app)["downloadPath"]
    office.run()
    [file] = (tmp_path / "exports").iterdir()
    assert b"Fam0000" not in file.read_bytes()
    assert file.stat().st_mode & 0o077 == 0
    [row] = world.read(lambda s: s.scalars(select(tables.Export)).all())
    assert b"patients" not in row.request
    assert len(lines(get(app, path))) == 3
    assert not file.exists()


@pytest.mark.parametrize("killed_after_writing", [True, False])
def test_an_export_killed_in_a_chunk_goes_on_without_repeating_or_missing_a_row(
    world, office, killed_after_writing, monkeypatch
):
    practice = world.practice("North")
    world.patients(practice, 35)
    app = world.app(practice, export=True)
    path = start(app)["downloadPath"]

    class Killed(BaseException):
        pass

    def before(request: exports.Request) -> exports.Chunk:
        if request.chunks == 2:
            raise Killed
        return office.chunk(request)

    advance = exports.advance

    def after(session: Any, export_id: str, chunk: Any, **more: Any) -> int:
        if session.get_one(tables.Export, export_id).chunks == 2:
            raise Killed
        return advance(session, export_id, chunk, **more)

    with monkeypatch.context() as patched:
        patched.setattr(exports, "advance", after if killed_after_writing else advance)
        with pytest.raises(Killed):
            office.run(None if killed_after_writing else before)
    office.give_back()
    office.run()
    found = [row["familyName"] for row in lines(get(app, path))]
    assert found == [f"Fam{n:04d}" for n in range(35)]
    assert office.read == (5 if killed_after_writing else 4)


def test_a_cancelled_export_is_ended_and_its_file_deleted(world, office, tmp_path):
    practice = world.practice("North")
    world.patients(practice, 25)
    start(world.app(practice, export=True))

    def read(request: exports.Request) -> exports.Chunk:
        if request.chunks == 1:
            raise Cancelled("The job was cancelled.")
        return office.reader(request)

    with pytest.raises(Cancelled):
        office.run(read)
    [row] = world.read(lambda s: s.scalars(select(tables.Export)).all())
    assert (row.state, row.chunks) == ("failed", 1)
    assert list((tmp_path / "exports").iterdir()) == []


def test_a_download_whose_file_is_elsewhere_is_not_spent(world, office, tmp_path):
    practice = world.practice("North")
    world.patients(practice, 2)
    app = world.app(practice, export=True)
    path = start(app)["downloadPath"]
    office.run()
    [file] = (tmp_path / "exports").iterdir()
    elsewhere = file.rename(tmp_path / "elsewhere")
    assert get(app, path).status_code == 500
    elsewhere.rename(file)
    assert len(lines(get(app, path))) == 2


def test_what_was_read_is_audited_with_its_patients(world, office):
    practice = world.practice("North")
    patients = world.patients(practice, 12)
    app = world.app(practice, export=True)
    path = start(app)["downloadPath"]
    office.run()
    get(app, path)
    events = world.read(lambda s: s.scalars(select(tables.AuditEvent)).all())
    read = [event for event in events if event.action == "read"]
    assert [event.entities for event in read] == [{"Patient": 10}, {"Patient": 2}]
    subjects = {subject for event in read for subject in event.subjects}
    assert subjects == set(world.crypto.subjects((practice, one) for one in patients))
    assert any(event.operation.endswith("download") for event in events)


def test_an_export_needs_its_own_right_at_the_start_and_at_the_download(world, office):
    practice = world.practice("North")
    world.patients(practice, 1)
    assert world.app(practice, "plain").code(START, input={"query": PATIENTS}) == "FORBIDDEN"
    app, other = world.app(practice, export=True), world.app(practice, "other", export=True)
    path = start(app)["downloadPath"]
    office.run()
    assert get(other, path).status_code == 404
    assert app.http.get(path).status_code == 401
    assert get(app, "/exports/unknown").status_code == 404
    no_right = update(tables.Client).values(export=False)
    world.database.transaction(SCOPE, lambda s: s.execute(no_right))
    assert get(app, path).status_code == 403


@pytest.mark.parametrize("loss", ["revoked", "right", "agreement", "class"])
def test_rights_lost_while_it_runs_end_the_export_and_its_file(world, office, tmp_path, loss):
    practice = world.practice("North")
    world.agreement(practice, Domain.CLINICAL)
    world.patients(practice, 25)
    mso = world.mso(export=True)
    started = start(mso)

    def lose(session: Any) -> None:
        if loss == "revoked":
            session.execute(update(tables.Client).values(revoked_at=world.now))
        elif loss == "right":
            session.execute(update(tables.Client).values(export=False))
        elif loss == "class":
            session.execute(update(tables.Client).values(classes=["OPERATIONAL"]))
        else:
            session.execute(update(tables.ServiceAgreement).values(ends_on=date(2026, 2, 1)))

    def read(request: exports.Request) -> exports.Chunk:
        if request.chunks == 1:
            world.database.transaction(SCOPE, lose)
        return office.reader(request)

    expected = Conflict if loss == "agreement" else Exception if loss == "class" else Forbidden
    with pytest.raises(expected):
        office.run(read)
    [row] = world.read(lambda s: s.scalars(select(tables.Export)).all())
    assert (row.state, row.chunks, row.digest) == ("failed", 1, "")
    assert list((tmp_path / "exports").iterdir()) == []
    assert get(mso, started["downloadPath"]).status_code in (401, 403, 404)


@pytest.mark.parametrize(
    "query",
    [
        "{ patients(first: 5) { nodes { id } } }",
        "query($n: Int) { patients(first: $n) { nodes { id } } }",
        "{ patients { nodes { id } totalCount } }",
        "{ patients { edges { node { id } } } }",
        "{ patients { nodes { id } } practices { nodes { id } } }",
        '{ node(id: "x") { id } }',
        "{ connectors { nodes { id } } }",
        "mutation { __typename }",
        "{ patients { nodes { nothing } } }",
        "not graphql",
    ],
)
def test_only_one_list_without_pages_can_be_exported(world, query):
    app = world.app(world.practice("North"), export=True)
    [error] = start(app, query)["errors"]
    assert error["code"] == "BAD_INPUT"
    assert world.read(lambda s: s.scalars(select(tables.JobRow)).all()) == []


def test_what_is_wrong_with_the_document_is_said(world):
    app = world.app(world.practice("North"), export=True)
    [error] = start(app, "{ patients { nodes { nothing } } }")["errors"]
    assert error["message"] == "Cannot query field 'nothing' on type 'Patient'."
    [error] = start(app, "query($n: Int!) { patients { nodes { id appointments(first: $n) {"
                    " nodes { id } } } } }")["errors"]  # fmt: skip
    assert "$n" in error["message"]


def test_variables_and_filters_are_kept_encrypted_and_used(world, office):
    practice = world.practice("North")
    world.patients(practice, 4)
    app = world.app(practice, export=True)
    query = """query($p: String) { patients(where: { familyName: { prefix: $p } }) {
      nodes { familyName } } }"""
    path = start(app, query, variables={"p": "Fam0002"}, format="JSONL")["downloadPath"]
    office.run()
    assert lines(get(app, path)) == [{"familyName": "Fam0002"}]


def test_a_class_that_is_not_granted_cannot_be_exported(world):
    app = world.app(world.practice("North"), export=True, classes=[DataClass.OPERATIONAL])
    assert start(app)["errors"][0]["code"] == "BAD_INPUT"


def test_without_an_order_rows_come_by_id_which_never_changes(world, office):
    practice = world.practice("North")
    patients = world.patients(practice, 25)
    app = world.app(practice, export=True)
    path = start(app, "{ patients { nodes { id } } }")["downloadPath"]
    office.run()
    found = [row["id"] for row in lines(get(app, path))]
    assert found == [global_id("Patient", one) for one in sorted(patients)]


def test_an_empty_list_is_an_empty_file(world, office):
    app = world.app(world.practice("North"), export=True)
    path = start(app)["downloadPath"]
    office.run()
    answer = get(app, path)
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_changed_or_exchanged_chunk_is_noticed(world, tmp_path):
    with ExportFile(tmp_path, world.crypto, "one") as file:
        end = file.write(0, b"first\n", start=0)
        file.write(1, b"second\n", start=end)
    content = file.path.read_bytes()
    assert b"".join(file.read(2)) == b"first\nsecond\n"
    for damaged in (content[end:] + content[:end], content[:-1], content[:end]):
        file.path.write_bytes(damaged)
        with pytest.raises(Exception, match="data"):
            list(file.read(2))


def test_old_exports_outcomes_and_their_files_are_deleted(world, office, tmp_path):
    practice = world.practice("North")
    app = world.app(practice, export=True)
    start(app, idempotencyKey="k")
    office.run()
    for days, left in ((6, 1), (8, 0)):
        now = world.now + timedelta(days=days)
        kept = world.database.transaction(SCOPE, lambda s, n=now: housekeeping.prune(s, now=n))
        delete_others(tmp_path, kept)
        assert len(list((tmp_path / "exports").iterdir())) == left
    assert len(world.read(lambda s: s.scalars(select(tables.MutationOutcome)).all())) == 1
    later = world.now + timedelta(days=31)
    world.database.transaction(SCOPE, lambda s: housekeeping.prune(s, now=later))
    assert world.read(lambda s: s.scalars(select(tables.MutationOutcome)).all()) == []


def test_the_same_key_starts_one_export_and_gives_the_same_path(world):
    app = world.app(world.practice("North"), export=True)
    first, second = (start(app, idempotencyKey="k") for _ in range(2))
    assert first == second
    assert global_id("Export", "x")[:4] == first["export"]["id"][:4]
    assert len(world.read(lambda s: s.scalars(select(tables.Export)).all())) == 1
