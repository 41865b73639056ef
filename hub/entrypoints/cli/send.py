"""`mso-hub send`: HL7 v2 files to an MLLP listener."""

from __future__ import annotations

import socket
import ssl
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import orjson
import typer

from connectors.sdk.hl7v2.acks import read_ack
from connectors.sdk.hl7v2.batches import read_batch, split_blocks
from connectors.sdk.hl7v2.client import MllpClient, Outcome
from connectors.sdk.hl7v2.header import read_header
from hub.entrypoints.hl7_files import files_in
from hub.errors import HubError, Rejected


class NotSent(HubError):
    """Not every message was sent and accepted; the sentence says how many or why."""


def send(
    file: Annotated[Path, typer.Argument(exists=True, readable=True, help="File or directory")],
    to: Annotated[str, typer.Option("--to", help="HOST:PORT of the listener")],
    timeout: Annotated[
        float, typer.Option(help="Seconds to wait for each answer", min=0.1, max=3600)
    ] = 10.0,
    repeat: Annotated[int, typer.Option(help="How often to send everything", min=1)] = 1,
    tls: Annotated[bool, typer.Option("--tls", help="Use TLS")] = False,
    tls_ca: Annotated[Path | None, typer.Option(help="Authorities to trust (PEM)")] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Client certificate (PEM)")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Key of the certificate (PEM)")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Send HL7 v2 over MLLP (a file, a batch or a directory) and print the answers and the rate.

    A batch whose counts (BTS-1, FTS-1) do not hold is not sent. Exits 0 if every message was
    accepted (AA or CA), else 1.
    """
    host, port = _address(to)
    _require_whole(file)
    context = _tls(tls_ca, tls_cert, tls_key) if tls or tls_ca or tls_cert or tls_key else None
    outcomes: list[tuple[str, Outcome]] = []
    unreachable = ""
    started = time.perf_counter()
    with MllpClient(host, port, timeout=timeout, tls=context) as client:
        for name, content in (message for _ in range(repeat) for message in _messages(file)):
            outcome = client.send(content)
            if not outcome.code and (unreachable := _why_no_connection(client)):
                break
            outcomes.append((name, outcome))
            if not as_json:
                _print(name, content, outcome)
    seconds = time.perf_counter() - started
    _summary(outcomes, seconds, as_json)
    _require_all_accepted([outcome for _, outcome in outcomes], to, unreachable)


def _require_all_accepted(outcomes: list[Outcome], to: str, unreachable: str) -> None:
    accepted = sum(outcome.code in {"AA", "CA"} for outcome in outcomes)
    if unreachable:
        raise NotSent(f"No connection to {to}: {unreachable}. {accepted} messages were accepted.")
    if not outcomes:
        raise NotSent("There is no message to send.")
    if accepted < len(outcomes):
        raise NotSent(f"{len(outcomes) - accepted} of {len(outcomes)} messages were not accepted.")


def _why_no_connection(client: MllpClient) -> str:
    """Why there can be none, as its user can mend it; empty if there can."""
    try:
        client.connect()
    except ssl.SSLCertVerificationError as error:
        return f"its certificate is not trusted ({error.verify_message})"
    except ssl.SSLError:
        return "TLS could not be agreed on"
    except socket.gaierror:
        return "there is no host of this name"
    except TimeoutError:
        return "it does not answer in time"
    except OSError as error:
        return (error.strerror or "it was ended at once").lower()
    return ""


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.removeprefix("mllp://").rpartition(":")
    number = int(port) if port.isascii() and port.isdigit() and len(port) < 6 else 0
    if not host or "/" in host or not 0 < number < 65536:
        raise typer.BadParameter(
            "must be HOST:PORT, for example 127.0.0.1:2575.", param_hint="--to"
        )
    return host.strip("[]"), number


def _tls(authorities: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    if key is not None and certificate is None:
        raise typer.BadParameter("needs --tls-cert beside it.", param_hint="--tls-key")
    with _file_of("--tls-ca"):
        context = ssl.create_default_context(cafile=authorities)
    with _file_of("--tls-cert"):
        if certificate is not None:
            context.load_cert_chain(certificate, key)
    return context


@contextmanager
def _file_of(option: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:  # ssl.SSLError among them
        sentence = "the file is not there, or not what it should be in PEM."
        raise typer.BadParameter(sentence, param_hint=option) from error


def _messages(path: Path) -> Iterator[tuple[str, bytes]]:
    for file in files_in(path):
        for block in split_blocks(file.read_bytes()):
            for content in read_batch(block, most=None).messages:
                yield file.name, content


def _require_whole(path: Path) -> None:
    """Nothing of a batch is sent whose counts do not hold: part of it is missing."""
    for file in files_in(path):
        for block in split_blocks(file.read_bytes()):
            if fault := read_batch(block, most=None).fault:
                raise Rejected(f"{file.name}, {fault.path}: {fault.text}", path=fault.path)


def _print(name: str, content: bytes, outcome: Outcome) -> None:
    header = read_header(content)
    kind = header.message_type if header else "unreadable"
    control_id = header.control_id if header else ""
    text = (read_ack(outcome.ack) or ("", b"", ""))[2]
    answer = outcome.code or "no answer"
    typer.echo(f"{name}  {kind}  {control_id}  {answer}  {outcome.seconds * 1000:.1f} ms  {text}")


def _summary(outcomes: list[tuple[str, Outcome]], seconds: float, as_json: bool) -> None:
    codes = Counter(outcome.code or "none" for _, outcome in outcomes)
    rate = len(outcomes) / seconds if seconds else 0.0
    if as_json:
        answers = [
            {
                "file": name,
                "code": outcome.code,
                "attempts": outcome.attempts,
                "milliseconds": round(outcome.seconds * 1000, 3),
                "ack": outcome.ack.decode("utf-8", "replace"),
            }
            for name, outcome in outcomes
        ]
        summary = {"sent": len(outcomes), "codes": dict(codes), "per_second": round(rate, 1)}
        typer.echo(orjson.dumps({**summary, "answers": answers}).decode())
        return
    counted = ", ".join(f"{code} {count}" for code, count in sorted(codes.items()))
    typer.echo(f"{len(outcomes)} messages in {seconds:.2f} s, {rate:.0f}/s: {counted or 'nothing'}")
