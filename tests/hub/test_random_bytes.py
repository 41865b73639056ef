from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from hub.random_bytes import random_bytes


def test_no_two_callers_get_the_same_bytes() -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: random_bytes(12), range(4000)))
    assert {len(one) for one in found} == {12}
    assert len(set(found)) == 4000


def test_more_than_one_draw_can_be_asked_for() -> None:
    assert len(set(random_bytes(10_000))) > 200
    assert len(random_bytes(10_000)) == 10_000


def test_a_forked_process_draws_for_itself() -> None:
    random_bytes(1)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, random_bytes(16))
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 16) != random_bytes(16)
