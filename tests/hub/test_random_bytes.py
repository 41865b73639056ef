from __future__ import annotations

import os
import random
import secrets
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from connectors.sdk.hl7v2.acks import new_control_id
from hub.random_bytes import random_bytes
from hub.storage.crypto import Crypto
from hub.storage.tables.base import new_id, new_ordered_id


def test_no_two_callers_get_the_same_bytes() -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: random_bytes(12), range(4000)))
    assert {len(one) for one in found} == {12}
    assert len(set(found)) == 4000


def test_more_than_one_draw_can_be_asked_for() -> None:
    assert len(set(random_bytes(10_000))) > 200
    assert len(random_bytes(10_000)) == 10_000


def _drawn() -> list[str]:
    """Everything that must not come twice, of all processes and however it is drawn."""
    now = datetime(2026, 3, 2, 15, tzinfo=UTC)
    ids = [new_id(), new_ordered_id(now), new_control_id(), str(uuid.uuid4())]
    nonce = Crypto(bytes(32)).encrypt(b"", "table.column:1").hex()
    return [*ids, nonce, random_bytes(16).hex(), secrets.token_hex(), str(random.random())]


def test_forked_processes_draw_for_themselves() -> None:
    """What was drawn before the fork is known to all of them."""
    found = [_drawn()]
    for _ in range(2):
        reader, writer = os.pipe()
        if not (child := os.fork()):
            os.write(writer, " ".join(_drawn()).encode())
            os._exit(0)
        os.waitpid(child, 0)
        found.append(os.read(reader, 10_000).decode().split())
        os.close(reader)
        os.close(writer)
    found.append(_drawn())
    for kind in zip(*found, strict=True):
        assert len(set(kind)) == len(found)
