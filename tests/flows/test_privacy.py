"""A feed of people with names and numbers like no others, through the hub in a process of its own:
afterwards these are in the records and in encrypted messages, and nowhere else."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select

from connectors.sdk.hl7v2.framing import Framer, wrap
from hub.domain.agreements import Domain, unrestricted_scope
from hub.entrypoints.hub import Hub, open_hub
from hub.services.intake import replay
from hub.settings import Settings
from hub.storage import inbox, queue
from hub.storage.tables import Base, InboundMessage, JobRow
from tests.polling import answers, free_port, wait_until

pytestmark = pytest.mark.end_to_end
SCOPE = unrestricted_scope("test")
FIXTURES = Path(__file__).parents[2] / "fixtures" / "ehr_hl7v2"
LONGEST = 60.0
PEOPLE = {
    b"Okonkwo": b"Zyxfamily",
    b"Ada": b"Zyxgiven",
    b"00481516": b"ZYXMRN0077",
    b"19790412": b"19310707",
    b"5555550142": b"5557770101",
}
"""What the fixtures call their patient, and what this feed calls them."""
SECRET = (
    "Zyxfamily", "ZYXFAMILY", "Zyxgiven", "ZYXMRN0077", "900770077", "19310707", "1931-07-07",
    "5557770101", "Zyxstreet", "ZYXSEX", "ZYXNUMBER", "ZYXCUT",
)  # fmt: skip
SENDER = b"|DESKEHR|NORTH|HUB|HUB|"
RECORDS = {Domain.CLINICAL, Domain.SCHEDULE, Domain.BILLING, Domain.ELIGIBILITY}
HEAD = "MSH|^~\\&|DESKEHR|NORTH|HUB|HUB|20260302091500-0600||{1}|Z{0}|P|2.5.1\r"
PID = "PID|1||ZYXMRN0077^^^NORTH^MR||Zyxfamily^Zyxgiven||{0}|{1}|||7 Zyxstreet||5557770101"
PID += "||||||900770077\r"


def feed() -> list[bytes]:
    """Every fixture as the feed's sender would send it."""
    contents = []
    for path in sorted(FIXTURES.glob("*.hl7")):
        content = path.read_bytes().replace(b"|CAREDESK|LAKEVIEW|MSOHUB|NORTHSHORE|", SENDER)
        for theirs, ours in PEOPLE.items():
            content = content.replace(theirs, ours)
        contents.append(content)
    return contents


def bad() -> list[bytes]:
    """Each says something that is not understood, beside values of the patient."""
    admission, result = "ADT^A04^ADT_A01", "ORU^R01^ORU_R01"
    visit = "PV1|1|O|||||||||||||||||ZYXVISIT\r"
    return [
        (HEAD.format(1, admission) + PID.format("1931Zyxfamily", "F") + visit).encode(),
        (HEAD.format(2, admission) + PID.format("19310707", "ZYXSEX") + visit).encode(),
        (HEAD.format(3, "ADT^Z01") + PID.format("19310707", "F")).encode(),
        (HEAD.format(4, admission) + PID.format("19310707", "F").replace("PID|1", "PID")).encode(),
        (HEAD.format(5, result) + PID.format("19310707", "F") + "OBR|1||L1|ZYXNUMBER\r"
         "OBX|1|NM|ZYXNUMBER||ZYXNUMBER||||||ZYXNUMBER\r").encode(),
        (HEAD.format("", admission) + PID.format("19310707", "F")).encode(),
        HEAD.format(6, admission).encode() + PID.format("19310707", "F").encode() + b"\0",
        (HEAD.format(1, admission) + PID.format("19310708", "F")).encode(),  # the id again
        PID.format("19310707", "F").encode(),
        (HEAD.format(7, "MDM^T02^MDM_T02") + PID.format("19310707", "F") +
         "TXA|1|ZYXNUMBER|||||||||||\rOBX|1|ED|1^ZYXNUMBER||^ZYXNUMBER^^Base64^Zyxfamily!\r").encode(),
    ]  # fmt: skip


@contextmanager
def serving(data_dir: Path, output: Path, ports: tuple[int, int]) -> Iterator[None]:
    """A whole hub that logs all it has to say to `output`."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("HUB_")}
    settings = {
        "HUB_DATA_DIR": str(data_dir),
        "HUB_LOG_LEVEL": "debug",
        "HUB_MLLP_PORT": str(ports[0]),
        "HUB_HTTP_PORT": str(ports[1]),
    }
    with output.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "hub", "serve"],
            env={**clean, **settings}, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            for port in ports:
                wait_until(lambda port=port: answers(port))  # type: ignore[misc]
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=LONGEST)


def exchange(port: int, contents: list[bytes]) -> bytes:
    """Send each message and wait for its answer; the last one is cut off. All that was answered."""
    heard = b""
    with socket.create_connection(("127.0.0.1", port), LONGEST) as sender:
        for content in contents:
            framer, frames = Framer(), 0
            sender.sendall(wrap(content))
            while not frames:
                data = sender.recv(65536)
                assert data, "the listener closed"
                heard += data
                frames = len(framer.feed(data))
        cut = HEAD.format(99, "ADT^A04^ADT_A01") + PID.format("19310707", "F") + "NTE|1||ZYXCUT"
        sender.sendall(b"\x0b" + cut.encode())
    return heard


def tables_with(hub: Hub, words: tuple[str, ...]) -> dict[str, set[str]]:
    """By table, which of the words are in clear in any column of any row."""
    found: dict[str, set[str]] = {}
    with hub.database.read(SCOPE) as session:
        for table in Base.metadata.sorted_tables:
            for row in session.execute(select(table)):
                text = repr(tuple(row))
                if here := {word for word in words if word in text}:
                    found.setdefault(table.name, set()).update(here)
    return found


def idle(hub: Hub) -> bool:
    with hub.database.read(SCOPE) as session:
        running = session.scalar(
            select(func.count()).select_from(JobRow).where(JobRow.state == "running")
        )
        return queue.due_count(session, now=hub.now()) == 0 and not running


def test_what_identifies_a_patient_is_in_records_and_encrypted_messages_only(
    seeded: Path, tmp_path: Path
) -> None:
    ports, output = (free_port(), free_port()), tmp_path / "output.log"
    sent = [*feed(), *bad()]
    hub = open_hub(Settings(data_dir=seeded))
    try:
        with serving(seeded, output, ports):
            heard = exchange(ports[0], sent)
            wait_until(lambda: idle(hub))
            with hub.database.read(SCOPE) as session:
                rows = session.scalars(select(InboundMessage)).all()
                stored = {row.id: inbox.raw(row, hub.crypto) for row in rows}
                states = {row.state for row in rows}
            assert sorted(sent) == sorted(
                raw for raw in stored.values() if not raw.endswith(b"ZYXCUT")
            )
            assert len(stored) == len(sent) + 1
            assert states == {"processed", "quarantined", "refused"}
            hub.database.transaction(
                SCOPE,
                lambda session: replay(session, inbox_ids=list(stored), now=datetime.now(UTC)),
            )
            wait_until(lambda: idle(hub))
            with urllib.request.urlopen(f"http://127.0.0.1:{ports[1]}/metrics") as answer:
                measures = answer.read().decode()
        with hub.database.read(SCOPE) as session:
            again = session.scalars(select(InboundMessage)).all()
            assert {row.id: inbox.raw(row, hub.crypto) for row in again} == stored
        in_clear = tables_with(hub, SECRET)
    finally:
        hub.close()
    said = {"answers": heard.decode("latin-1"), "metrics": measures, "log": output.read_text()}
    assert {place: [word for word in SECRET if word in text] for place, text in said.items()} == {
        place: [] for place in said
    }
    assert "Zyxfamily" in in_clear["patients"]  # the search finds what is there
    holders = {
        mapper.local_table.name: getattr(mapper.class_, "domain", None)
        for mapper in Base.registry.mappers
    }
    assert {name for name in in_clear if holders[name] not in RECORDS} == set()
    assert not any({"900770077", "ZYXCUT"} & words for words in in_clear.values())
