"""Bad input from every side: one plain sentence, the input is kept, and good input still passes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.sdk.hl7v2.acks import read_ack
from connectors.sdk.hl7v2.lexer import lex
from connectors.sdk.simulator import Fault
from hub.services import sync
from hub.storage.tables import InboundMessage, JobRow, Patient, SyncRun
from tests.polling import wait_until

pytestmark = pytest.mark.end_to_end
ROOT = Path(__file__).resolve().parents[2]
GOOD_855 = (ROOT / "fixtures" / "supply_x12" / "acknowledgement_855.edi").read_bytes()


def assert_says(sentence: str, *words: str) -> None:
    """One or two plain sentences that hold every word given, and no trace of a program."""
    for word in words:
        assert word in sentence
    assert sentence.rstrip().endswith(".")
    assert "\n" not in sentence.strip()
    assert "Traceback" not in sentence
    assert len(sentence) < 200


def assert_good_hl7_passes(flow: Any, content: bytes) -> None:
    """A good message sent now is acknowledged and becomes a patient."""
    before = len(flow.rows(Patient))
    assert flow.send(content).code == "AA"
    wait_until(lambda: len(flow.rows(Patient)) == before + 1)


def only(flow: Any, **where: Any) -> InboundMessage:
    (row,) = flow.rows(InboundMessage, **where)
    found: InboundMessage = row
    return found


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PID|1||M1^^^NORTH^MR||Testperson^One\r", ("MSH", "send")),
        (b"", ("MSH", "send")),
        (
            b"MSH|^~\\&|DESKEHR|NORTH|HUB|HUB|2026||ADT^A04||P|2.5.1\rPID|1\r",
            ("MSH-10", "required", "send"),
        ),
        (b"MSH|^~\\&|DESKEHR|NORTH|HUB|HUB|2026||ADT^A04|C7|P|2.5.1\rPI\0D|1\r", ("NUL",)),
    ],
)
def test_a_malformed_hl7_frame_is_answered_kept_and_followed_by_a_good_one(
    flow: Any, message: Callable[..., bytes], content: bytes, words: tuple[str, ...]
) -> None:
    outcome = flow.send(content)
    assert outcome.code == "AE"
    assert_says((read_ack(outcome.ack) or ("", b"", ""))[2], *words)
    kept = only(flow, state="quarantined")
    assert flow.raw(kept) == content
    assert_says(kept.fault_text, *words)
    assert_good_hl7_passes(flow, message(1))


def test_every_fault_of_a_header_is_told_to_its_sender_and_to_an_operator(
    flow: Any, message: Callable[..., bytes]
) -> None:
    outcome = flow.send(message(8).replace(b"|P|2.5.1", b"|T|9.9"))
    told = [segment.value("3.1") for segment in lex(outcome.ack).all("ERR")]
    assert told == ["202", "203"]
    asked = "{ inboundMessages { nodes { faultCode issueCount issues { nodes { code path } } } } }"
    assert flow.graphql(asked)["data"]["inboundMessages"]["nodes"] == [
        {
            "faultCode": "hl7_202",
            "issueCount": 1,
            "issues": {"nodes": [{"code": "hl7_203", "path": "MSH-12"}]},
        }
    ]


def test_an_x12_document_cut_in_half_is_kept_and_the_whole_one_is_read(flow: Any) -> None:
    half = GOOD_855[: len(GOOD_855) // 2]
    assert flow.push(half).status_code == 202
    wait_until(lambda: len(flow.rows(InboundMessage, state="quarantined")) == 1)
    kept = only(flow, state="quarantined")
    assert flow.raw(kept) == half
    assert (kept.fault_code, kept.fault_path) == ("truncated", "ISA")
    assert_says(kept.fault_text, "cut off", "ask its sender")

    assert flow.push(GOOD_855).status_code == 202
    wait_until(lambda: len(flow.rows(InboundMessage, state="processed")) == 1)
    assert flow.raw(only(flow, state="processed")) == GOOD_855


def test_a_wrong_signature_is_refused_and_kept_unread_and_the_right_one_accepted(
    flow: Any,
) -> None:
    answer = flow.push(GOOD_855, key="of somebody else")
    assert answer.status_code == 401
    assert_says(answer.json()["error"], "signature", "secret", "compare")
    (kept,) = flow.rows(InboundMessage)
    assert (kept.state, kept.fault_code) == ("refused", "signature")
    assert flow.raw(kept) == GOOD_855
    assert flow.rows(JobRow) == []

    assert flow.push(GOOD_855).status_code == 202
    wait_until(lambda: len(flow.rows(InboundMessage, state="processed")) == 1)


def test_a_vendor_answering_html_is_told_of_and_asked_again(
    flow: Any, message: Callable[..., bytes]
) -> None:
    flow.faults.faults = [Fault("html", match="/v1/companies", times=1)]
    now = datetime.now(UTC)
    job_id = flow.work(
        lambda session: sync.request_sync(
            session, connection_id="payroll", sources={"payroll_rest"}, now=now
        )
    )
    wait_until(lambda: len(flow.rows(SyncRun, state="failed")) == 1)
    (run,) = flow.rows(SyncRun, state="failed")
    assert run.fault_code == "UPSTREAM"
    assert_says(run.fault_text, "HTML", "JSON", "again")
    (kept,) = flow.rows(InboundMessage, kind="record")
    assert kept.state == "quarantined"
    assert b"<html>" in flow.raw(kept)
    wait_until(lambda: flow.rows(JobRow, id=job_id)[0].state != "running")
    (job,) = flow.rows(JobRow, id=job_id)
    assert_says(job.error_text, "HTML", "again")
    assert_good_hl7_passes(flow, message(1))
    # The retry comes by itself after a few seconds, and the vendor is well again.
    wait_until(lambda: flow.rows(JobRow, id=job_id)[0].state == "done")
    assert {run.state for run in flow.rows(SyncRun)} == {"failed", "done"}


@pytest.mark.parametrize("id", ["nonsense", "Q29ubmVjdGlvbjpub25l", "UGF0aWVudDp4", ""])
def test_an_unknown_graphql_id_has_one_answer_for_all_reasons(flow: Any, id: str) -> None:
    assert flow.graphql(f'{{ node(id: "{id}") {{ id }} }}') == {"data": {"node": None}}
    answer = flow.graphql(
        f'mutation {{ syncConnection(input: {{connectionId: "{id}"}}) {{ __typename '
        "... on UserErrors { errors { code message } } } }"
    )
    (error,) = answer["data"]["syncConnection"]["errors"]
    assert error["code"] == "NOT_FOUND"
    assert_says(error["message"], "no such object", "credential")
    good = flow.graphql("{ connections(first: 9) { totalCount } }")
    assert good == {"data": {"connections": {"totalCount": 3}}}


def serve(data_dir: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """`mso-hub serve` that is expected to end by itself."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("HUB_")}
    return subprocess.run(
        [sys.executable, "-m", "hub", "serve"],
        env={**clean, "HUB_DATA_DIR": str(data_dir), "HUB_LOG_LEVEL": "error", **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"HUB_DATABASE_URL": "nonsense"}, ("HUB_DATABASE_URL", "sqlite:///", "postgresql://")),
        ({"HUB_DATABASE_URL": "postgresql://127.0.0.1:1/x"}, ("HUB_DATABASE_URL", "check")),
        ({"HUB_DATABASE_URL": "postgresql://127.0.0.1:port/x"}, ("HUB_DATABASE_URL", "port")),
        ({}, ("no database", "mso-hub migrate")),
    ],
)
def test_an_unusable_setting_stops_the_start_with_one_sentence(
    tmp_path: Path, settings: dict[str, str], words: tuple[str, ...]
) -> None:
    ended = serve(tmp_path, **settings)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("mso-hub: ")
    assert_says(ended.stderr, *words)


def test_a_port_in_use_stops_the_start_and_leaves_its_user_alone(
    flow: Any, message: Callable[..., bytes], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    environment = {**os.environ, "HUB_DATA_DIR": str(other)}
    subprocess.run(
        [sys.executable, "-m", "hub", "migrate"], env=environment, check=True, capture_output=True
    )
    for taken in ("HUB_HTTP_PORT", "HUB_MLLP_PORT"):
        ports = {"HUB_HTTP_PORT": "0", "HUB_MLLP_PORT": "0"}
        used = flow.service.http_port if taken == "HUB_HTTP_PORT" else flow.service.mllp_port
        ended = serve(other, **{**ports, taken: str(used)})
        assert (ended.returncode, ended.stdout) == (1, "")
        assert_says(ended.stderr, "taken", taken, "free port")
    assert_good_hl7_passes(flow, message(1))


def test_a_second_hub_on_the_same_data_is_refused(flow: Any) -> None:
    ended = serve(flow.hub.settings.data_dir, HUB_HTTP_PORT="0", HUB_MLLP_PORT="0")
    assert ended.returncode == 1
    assert_says(ended.stderr, "Another hub is running", "HUB_DATA_DIR")


def test_a_listener_closed_in_the_middle_of_a_frame_keeps_what_came(
    flow: Any, message: Callable[..., bytes]
) -> None:
    part = message(5)[:60]
    with socket.create_connection(("127.0.0.1", flow.service.mllp_port)) as connection:
        connection.sendall(b"\x0b" + part)
    wait_until(lambda: len(flow.rows(InboundMessage)) == 1)
    kept = only(flow)
    assert flow.raw(kept) == part
    assert_says(kept.fault_text, "cut off", "send it again")
    assert_good_hl7_passes(flow, message(5))
