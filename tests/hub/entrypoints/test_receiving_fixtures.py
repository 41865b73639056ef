"""Byte-exact streams with the traps of real senders: what is answered and what is kept."""

from __future__ import annotations

import hashlib
import json
import socket
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.sdk.hl7v2.acks import read_ack
from connectors.sdk.hl7v2.batches import split_messages

FOLDER = Path(__file__).parents[3] / "fixtures" / "ehr_hl7v2" / "receiving"
STREAMS = sorted(FOLDER.glob("*.mllp"))


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_a_stream_is_answered_and_kept_as_expected(listen: Callable[..., Any], path: Path) -> None:
    expected = json.loads(path.with_suffix(".expected.json").read_text())
    listener = listen()
    peer = listener.connect()
    peer.socket.sendall(path.read_bytes())
    peer.socket.shutdown(socket.SHUT_WR)
    said: list[list[str]] = []
    while (content := peer.frame()) is not None:
        found = [read_ack(one) for one in split_messages(content)]
        said += [[one[0], one[1].decode()] for one in found if one is not None]
    assert said == expected["answers"]
    assert [one.state for one in listener.intake.arrivals] == expected["stored"]
    raw = b"".join(one.content for one in listener.intake.arrivals)
    assert len(raw) <= len(path.read_bytes())


def test_every_stream_says_what_it_is() -> None:
    assert len(STREAMS) > 20
    for path in STREAMS:
        stated = tomllib.loads(path.with_suffix(".meta.toml").read_text())
        assert stated["origin"] == "synthetic"
        assert stated["document"]
        assert stated["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
