from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from connectors.sdk.hl7v2.acks import build_ack
from connectors.sdk.hl7v2.client import MllpClient, Outcome
from connectors.sdk.hl7v2.framing import Framer, wrap
from connectors.sdk.hl7v2.header import read_header
from hub.entrypoints.cli.send import NotSent, send
from hub.errors import Rejected

FIXTURES = Path(__file__).parents[4] / "fixtures" / "ehr_hl7v2"
app = typer.Typer()
app.command()(send)


@pytest.fixture
def listener() -> Iterator[str]:
    """Accepts everything but SIU messages, one connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            framer = Framer()
            with connection:
                while data := connection.recv(65536):
                    for frame in framer.feed(data):
                        header = read_header(frame.content)
                        assert header is not None
                        code = "AR" if header.type == "SIU" else "AA"
                        answer = build_ack(header, code, now=datetime.now(UTC), control_id="1")  # type: ignore[arg-type]
                        connection.sendall(wrap(answer))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        thread.join(5)


def test_a_file_is_sent_and_its_answer_printed(listener: str) -> None:
    result = CliRunner().invoke(app, [str(FIXTURES / "adt_a04.hl7"), "--to", listener])
    assert result.exit_code == 0, result.output
    assert "ADT^A04  LVADTA04  AA" in result.output
    assert "1 messages in" in result.output


def test_a_directory_is_sent_in_order_and_a_refusal_fails_the_command(
    listener: str, tmp_path: Path
) -> None:
    one, two = (FIXTURES / f"{name}.hl7" for name in ("adt_a04", "siu_s12"))
    (tmp_path / "1.hl7").write_bytes(wrap(one.read_bytes()) + wrap(one.read_bytes()))
    (tmp_path / "2.hl7").write_bytes(two.read_bytes())
    (tmp_path / "3.json").write_text("{}")
    result = CliRunner().invoke(app, [str(tmp_path), "--to", listener, "--json"])
    assert result.exit_code == 1
    told = json.loads(result.output)
    assert told["sent"] == 3
    assert told["codes"] == {"AA": 2, "AR": 1}
    assert [answer["file"] for answer in told["answers"]] == ["1.hl7", "1.hl7", "2.hl7"]
    assert "MSA|AR|LVSIUS12" in told["answers"][2]["ack"]


def test_what_the_demonstration_prints_is_an_address_too(listener: str) -> None:
    given = [str(FIXTURES / "adt_a04.hl7"), "--to", f"mllp://{listener}"]
    assert CliRunner().invoke(app, given).exit_code == 0


@pytest.mark.parametrize(
    "to", ["localhost", "host:", ":2575", "host:0", "host:http", "http://host:80", "host:70000"]
)
def test_an_address_without_host_or_port_is_a_usage_error(to: str) -> None:
    result = CliRunner().invoke(app, [str(FIXTURES / "adt_a04.hl7"), "--to", to])
    assert result.exit_code == 2


def test_a_batch_of_which_part_is_missing_is_not_sent(tmp_path: Path) -> None:
    message = (FIXTURES / "adt_a04.hl7").read_bytes()
    file = tmp_path / "cut.hl7"
    file.write_bytes(b"BHS|^~\\&|A|B|C|D\r" + message + b"BTS|2\r")
    result = CliRunner().invoke(app, [str(file), "--to", "127.0.0.1:9"])
    assert isinstance(result.exception, Rejected)
    assert str(result.exception).startswith("cut.hl7, BTS-1: The batch came with 1 messages")


def refused(*arguments: str) -> str:
    """The sentence of a command that failed with 1."""
    result = CliRunner().invoke(app, list(arguments))
    assert isinstance(result.exception, NotSent), result.output
    return str(result.exception)


def test_a_listener_that_cannot_be_reached_is_named_with_the_reason_at_the_first_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[object] = []
    monkeypatch.setattr(MllpClient, "send", lambda *_: tries.append(1) or Outcome("", b"", 4, 0.0))
    message = (FIXTURES / "adt_a04.hl7").read_bytes()
    (tmp_path / "many.hl7").write_bytes(message * 50)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    to = f"127.0.0.1:{port}"
    assert refused(str(tmp_path), "--to", to) == (
        f"No connection to {to}: connection refused. 0 messages were accepted."
    )
    assert len(tries) == 1
    told = refused(str(tmp_path), "--to", "nowhere.invalid:2575")
    assert "there is no host of this name" in told


def test_a_refusal_is_told_on_standard_error_too(listener: str) -> None:
    told = refused(str(FIXTURES / "siu_s12.hl7"), "--to", listener)
    assert told == "1 of 1 messages were not accepted."


@pytest.mark.parametrize("content", [b"", b"\r\n\r\n"])
def test_nothing_to_send_is_a_failure_with_a_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "nothing.hl7").write_bytes(content)
    assert refused(str(tmp_path), "--to", "127.0.0.1:9") == "There is no message to send."


@pytest.mark.parametrize(
    ("option", "file"), [("--tls-ca", "text"), ("--tls-cert", "text"), ("--tls-key", "text")]
)
def test_a_tls_file_that_is_none_is_named_by_its_option(
    tmp_path: Path, option: str, file: str
) -> None:
    (tmp_path / file).write_text("no certificate")
    given = [str(FIXTURES / "adt_a04.hl7"), "--to", "127.0.0.1:9", option, str(tmp_path / file)]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 2
    assert option in result.output


def test_a_byte_order_mark_is_not_part_of_a_message(listener: str, tmp_path: Path) -> None:
    file = tmp_path / "edited.hl7"
    file.write_bytes(b"\xef\xbb\xbf" + (FIXTURES / "adt_a04.hl7").read_bytes())
    result = CliRunner().invoke(app, [str(file), "--to", listener])
    assert result.exit_code == 0, result.output
