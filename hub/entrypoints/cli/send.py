"""`mso-hub send`: HL7 v2 files to an MLLP listener."""

from __future__ import annotations

import ssl
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import orjson
import typer

from connectors.sdk.hl7v2.acks import read_ack
from connectors.sdk.hl7v2.batches import read_batch, split_blocks
from connectors.sdk.hl7v2.client import MllpClient, Outcome
from connectors.sdk.hl7v2.header import read_header
from hub.entrypoints.hl7_files import files_in
from hub.errors import Rejected


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
    context = _tls(tls_ca, tls_cert, tls_key) if tls or tls_ca or tls_cert else None
    outcomes: list[tuple[str, Outcome]] = []
    started = time.perf_counter()
    with MllpClient(host, port, timeout=timeout, tls=context) as client:
        for _ in range(repeat):
            for name, content in _messages(file):
                outcome = client.send(content)
                outcomes.append((name, outcome))
                if not as_json:
                    _print(name, content, outcome)
    seconds = time.perf_counter() - started
    _summary(outcomes, seconds, as_json)
    if not outcomes or any(outcome.code not in {"AA", "CA"} for _, outcome in outcomes):
        raise typer.Exit(1)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    number = int(port) if port.isascii() and port.isdigit() and len(port) < 6 else 0
    if not host or not 0 < number < 65536:
        raise typer.BadParameter("must be HOST:PORT, for example 127.0.0.1:2575")
    return host.strip("[]"), number


def _tls(authorities: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=authorities)
        if certificate is not None:
            context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise typer.BadParameter("the TLS files cannot be read") from error
    return context


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
