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
from connectors.sdk.hl7v2.framing import Framer, wrap
from connectors.sdk.hl7v2.header import read_header
from hub.entrypoints.cli.send import send
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


@pytest.mark.parametrize("to", ["localhost", "host:", ":2575", "host:0", "host:http"])
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
