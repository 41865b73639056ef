"""HL7 v2 files: stored once, moved only when stored, refused in sentences."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from hub.domain.agreements import unrestricted_scope
from hub.entrypoints.hl7_files import FileReport, files_in, load_file
from hub.entrypoints.hl7_folders import Folders, move
from hub.entrypoints.hl7_receive import STORED_AT_ONCE
from hub.entrypoints.hl7_route_table import load_routes
from hub.entrypoints.hl7_routes import Hl7Connection
from hub.entrypoints.hub import Hub
from hub.services import connections
from hub.services.intake import Intake
from hub.settings import Settings
from hub.storage.crypto import Crypto
from hub.storage.session import Database
from hub.storage.tables import InboundMessage, JobRow, Practice

ALL = unrestricted_scope("test")
NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
BHS = b"BHS|^~\\&|EHRA|FAC1|HUB|TO1|20260302||||B7\r"


def message(control_id: str, facility: str = "FAC1", kind: str = "ADT^A04") -> bytes:
    head = f"MSH|^~\\&|EHRA|{facility}|HUB|TO1|20260302||{kind}|{control_id}|P|2.5.1"
    return f"{head}\rPID|1||{control_id}^^^EHR^MR||Quillfeather^Ann\r".encode()


@pytest.fixture
def hub(database: Database, crypto: Crypto, tmp_path: Path) -> Hub:
    found = Hub(
        Settings(data_dir=tmp_path), database, crypto, Intake(database, crypto, lambda: NOW),
        lambda: NOW,
    )  # fmt: skip

    def seed(session: Any) -> None:
        session.add(Practice(id="p", name="North", zone="UTC", created_at=NOW))
        session.flush()
        connections.add(
            session, crypto, connection_id="ehr", name="EHR A", connector_id="ehr_hl7v2",
            config={"receiving": {"folder": "north"}}, now=NOW, practices={"FAC1": "p"},
            routing={"sending_application": "EHRA", "peers": ["10.0.0.0/8"]},
        )  # fmt: skip

    database.transaction(ALL, seed)
    return found


@pytest.fixture
def connection(hub: Hub) -> Hl7Connection:
    return load_routes(hub.database).connections[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "files" / "north"
    found.mkdir(parents=True)
    return found


def stored(hub: Hub) -> dict[str, str]:
    """Control id -> state of what is in the inbox."""
    with hub.database.read(ALL) as session:
        rows = session.scalars(select(InboundMessage).order_by(InboundMessage.received_at))
        return {row.control_id: row.state for row in rows}


def lay(folder: Path, name: str, content: bytes, age: float = 60.0) -> Path:
    file = folder / name
    file.write_bytes(content)
    changed = NOW.timestamp() - age
    os.utime(file, (changed, changed))
    return file


def take(hub: Hub) -> None:
    Folders(hub, NOW.timestamp)(lambda: None)


def test_each_message_of_a_batch_is_one_row_with_a_job_and_loading_again_doubles_nothing(
    hub: Hub, connection: Hl7Connection, tmp_path: Path
) -> None:
    content = BHS + b"".join(message(f"C{n}") for n in range(STORED_AT_ONCE + 5))
    file = lay(tmp_path, "day.hl7", content + f"BTS|{STORED_AT_ONCE + 5}\r".encode())
    assert load_file(hub, connection, file) == FileReport("day.hl7", stored=STORED_AT_ONCE + 5)
    assert load_file(hub, connection, file) == FileReport("day.hl7", known=STORED_AT_ONCE + 5)
    with hub.database.read(ALL) as session:
        rows = list(session.scalars(select(InboundMessage)))
        jobs = list(session.scalars(select(JobRow)))
    assert len(rows) == STORED_AT_ONCE + 6  # the envelope is kept too
    assert {row.headers["batch"] for row in rows} == {"B7"}
    assert len(jobs) == STORED_AT_ONCE + 5


def test_what_an_interruption_left_is_stored_by_loading_again(
    hub: Hub, connection: Hl7Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = lay(tmp_path, "day.hl7", b"".join(message(f"C{n}") for n in range(STORED_AT_ONCE + 5)))
    whole, parts = hub.intake.receive_together, []

    def breaks(arrivals: Any) -> Any:
        parts.append(arrivals)
        if len(parts) == 2:
            raise RuntimeError("the process ends here")
        return whole(arrivals)

    with monkeypatch.context() as patch:
        patch.setattr(hub.intake, "receive_together", breaks)
        with pytest.raises(RuntimeError):
            load_file(hub, connection, file)
    assert len(stored(hub)) == STORED_AT_ONCE
    again = load_file(hub, connection, file)
    assert (again.stored, again.known, again.refused) == (5, STORED_AT_ONCE, ())
    assert len(stored(hub)) == STORED_AT_ONCE + 5


def test_of_a_batch_with_a_wrong_count_nothing_is_accepted_and_each_refusal_is_a_sentence(
    hub: Hub, connection: Hl7Connection, tmp_path: Path
) -> None:
    file = lay(tmp_path, "cut.hl7", BHS + message("C1") + message("C2") + b"BTS|3\r")
    report = load_file(hub, connection, file)
    text = "BTS-1: The batch came with 2 messages and says otherwise."
    assert report.refused == (f"Message 1: {text}", f"Message 2: {text}")
    assert set(stored(hub).values()) == {"quarantined"}
    whole = lay(tmp_path, "whole.hl7", BHS + message("C1") + message("C2") + b"BTS|2\r")
    assert load_file(hub, connection, whole).stored == 2


def test_a_message_that_may_not_come_in_is_named_by_its_place_and_the_others_are_stored(
    hub: Hub, connection: Hl7Connection, tmp_path: Path
) -> None:
    content = message("C1") + message("C2", "OTHER") + message("C3", kind="XXX^Q01")
    report = load_file(hub, connection, lay(tmp_path, "a.hl7", content))
    assert (report.stored, report.refused) == (1, (
        "Message 2: MSH-4: The sender may not send for this facility.",
        "Message 3: MSH-9.1: This message type is not supported.",
    ))  # fmt: skip
    reused = lay(tmp_path, "b.hl7", message("C1").replace(b"Ann", b"Bea"))
    (sentence,) = load_file(hub, connection, reused).refused
    assert sentence.startswith("Message 1: MSH-10: The control id was used")
    assert "Quillfeather" not in " ".join(report.refused) + sentence


def test_a_file_without_a_message_says_so(
    hub: Hub, connection: Hl7Connection, tmp_path: Path
) -> None:
    empty = load_file(hub, connection, lay(tmp_path, "empty.hl7", b"\n\n"))
    assert empty.refused == ("The file holds no message.",)
    garbage = load_file(hub, connection, lay(tmp_path, "garbage.hl7", b"hello"))
    assert "does not begin with MSH" in garbage.refused[0]


def test_files_are_moved_once_they_are_stored(hub: Hub, folder: Path) -> None:
    lay(folder, "good.hl7", message("C1"))
    lay(folder, "bad.hl7", message("C2", "OTHER"))
    lay(folder, "growing.hl7", message("C3"), age=1.0)
    lay(folder, "good.pdf", b"%PDF")
    take(hub)
    found = {str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()}
    assert found == {
        "done/good.hl7", "refused/bad.hl7", "refused/bad.hl7.report.txt", "growing.hl7", "good.pdf",
    }  # fmt: skip
    report = (folder / "refused" / "bad.hl7.report.txt").read_text()
    assert report.splitlines() == [
        "0 stored, 0 known, 1 refused.",
        "Message 1: MSH-4: The sender may not send for this facility.",
    ]
    assert stored(hub) == {"C1": "received", "C2": "refused"}


def test_a_file_whose_messages_are_not_stored_stays(
    hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = lay(folder, "good.hl7", message("C1"))

    def fails(_: Any) -> Any:
        raise RuntimeError("the database is away")

    with monkeypatch.context() as patch:
        patch.setattr(hub.intake, "receive_together", fails)
        with pytest.raises(RuntimeError):
            take(hub)
    assert file.exists()
    take(hub)
    assert (folder / "done" / "good.hl7").exists()
    assert stored(hub) == {"C1": "received"}


def test_a_file_stored_but_not_moved_is_taken_in_once(hub: Hub, folder: Path) -> None:
    for _ in range(2):
        lay(folder, "good.hl7", message("C1"))
        take(hub)
    assert stored(hub) == {"C1": "received"}
    assert {one.name for one in (folder / "done").iterdir()} == {"good.hl7", "good-1.hl7"}


def test_a_file_never_takes_the_place_of_another(tmp_path: Path) -> None:
    for text in (b"1", b"2", b"3"):
        move(lay(tmp_path, "a.hl7", text), FileReport("a.hl7"))
    assert {file.read_bytes() for file in (tmp_path / "done").iterdir()} == {b"1", b"2", b"3"}


def test_hidden_files_and_other_kinds_are_left_out(tmp_path: Path) -> None:
    for name in ("b.hl7", "a.txt", ".a.hl7", "c.pdf"):
        lay(tmp_path, name, b"x")
    assert [file.name for file in files_in(tmp_path)] == ["a.txt", "b.hl7"]
