"""HL7 v2 files: judged and stored as if their messages had come over the wire; nobody is answered,
so what is refused is told in sentences."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from connectors.sdk.hl7v2.acks import read_ack
from connectors.sdk.hl7v2.batches import read_batch, split_blocks
from hub.entrypoints.hl7_http import from_anywhere
from hub.entrypoints.hl7_judging import Judgement
from hub.entrypoints.hl7_receive import Receiver
from hub.entrypoints.hl7_routes import Hl7Connection, Peer, Routes
from hub.entrypoints.hub import Hub
from hub.services.arrivals import REUSED
from hub.services.storing import Stored

LARGEST_FILE = 64 * 1024 * 1024
SUFFIXES = frozenset({".hl7", ".txt", ".er7", ".dat", ""})
_NEGATIVE = frozenset({"AE", "AR", "CE", "CR"})
_PEER = Peer("127.0.0.1", transport="file")


@dataclass(frozen=True, slots=True)
class FileReport:
    """What became of a file. `stored` messages are new here, `known` came before; `refused` says
    of each of the others which it was and why, without values."""

    name: str
    stored: int = 0
    known: int = 0
    refused: tuple[str, ...] = ()


def files_in(path: Path) -> list[Path]:
    """The file, or those of a folder and its folders by their names; hidden ones are left out."""
    if not path.is_dir():
        return [path]
    found = (one for one in path.rglob("*") if one.is_file())
    return sorted(
        one for one in found if one.suffix.lower() in SUFFIXES and not one.name.startswith(".")
    )


def load_file(hub: Hub, connection: Hl7Connection, file: Path) -> FileReport:
    """Store the messages of a file for a connection, durably before this returns.

    Read again after an interruption, what is stored already counts as known. Raises OSError for a
    file that cannot be read, and whatever keeps the database from storing.
    """
    if file.stat().st_size > LARGEST_FILE:
        limit = LARGEST_FILE // 1024 // 1024
        return FileReport(file.name, refused=(f"A file has at most {limit} MiB; split it.",))
    return asyncio.run(_load(hub, connection, file.name, file.read_bytes()))


async def _load(hub: Hub, connection: Hl7Connection, name: str, content: bytes) -> FileReport:
    routes = Routes((from_anywhere(connection),))
    receiver = Receiver(hub.intake, routes=lambda: routes, now=hub.now)
    messages: list[tuple[Judgement, Stored]] = []
    for block in split_blocks(content):
        found = await receiver.receive_file(read_batch(block, most=None), _PEER)
        messages += [pair for pair in found if not _is_envelope(pair[0])]
    if not messages:
        return FileReport(name, refused=("The file holds no message.",))
    refused = tuple(_refusals(messages))
    known = sum(pair[1].duplicate and not _refusal(*pair) for pair in messages)
    return FileReport(name, len(messages) - len(refused) - known, known, refused)


def _is_envelope(judgement: Judgement) -> bool:
    return judgement.header is None and judgement.silent


def _refusals(messages: list[tuple[Judgement, Stored]]) -> Iterator[str]:
    for number, pair in enumerate(messages, 1):
        if text := _refusal(*pair):
            yield f"Message {number}: {text}"


def _refusal(judgement: Judgement, stored: Stored) -> str:
    """Why a message was not accepted; empty if it was."""
    if judgement.fault is not None:
        place = f"{judgement.fault.path}: " if judgement.fault.path else ""
        return place + judgement.fault.text
    if stored.conflict:
        return f"MSH-10: {REUSED.text}"
    code, _, text = read_ack(stored.answer) or ("", b"", "")
    return (text or "It was refused before.") if code in _NEGATIVE else ""
