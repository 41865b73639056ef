"""What waits for a thread: one is woken for short work, all for long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from jobs import waiting
from jobs.waiting import Waiting


def never() -> bool:
    return False


def filled(count: int, ring: Callable[[], None] = lambda: None) -> Waiting[int]:
    found: Waiting[int] = Waiting(8, ring)
    found.add(range(count))
    return found


def test_short_work_wakes_one_thread_and_other_work_all_it_has_items_for() -> None:
    few, many = filled(3), filled(30)
    assert [few.wanted(0, short=True), few.wanted(1, short=True)] == [1, 0]
    assert [few.wanted(0, short=False), few.wanted(1, short=False)] == [3, 2]
    assert [many.wanted(0, short=False), many.wanted(3, short=False)] == [8, 5]


def test_a_thread_takes_all_there_is_in_its_order() -> None:
    found = filled(5)
    seen: list[int] = []
    found.run(seen.append, never)
    assert (seen, len(found)) == ([0, 1, 2, 3, 4], 0)


def test_a_worker_that_stops_takes_no_more() -> None:
    found = filled(5)
    seen: list[int] = []
    found.run(seen.append, lambda: len(seen) == 2)
    assert (seen, len(found)) == ([0, 1], 3)


def test_items_behind_one_that_does_not_end_get_the_other_threads() -> None:
    found, begun, over = filled(3), threading.Event(), threading.Event()

    def stay(_: int) -> None:
        begun.set()
        over.wait()

    thread = threading.Thread(target=found.run, args=(stay, over.is_set))
    thread.start()
    begun.wait()
    time.sleep(2 * waiting.HELP)
    wanted = found.wanted(0, short=True)
    over.set()
    thread.join()
    assert wanted == 2


def test_items_that_take_longer_than_thought_get_the_other_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rung: list[Any] = []
    found = filled(6, lambda: rung.append(len(found)))
    clock = iter(range(100))
    monkeypatch.setattr(waiting, "monotonic", lambda: next(clock) / 1000)  # 3 readings an item
    seen: list[int] = []
    found.run(seen.append, lambda: len(seen) == 4)
    assert rung
    found.add(range(10))
    assert found.wanted(0, short=True) == 8


def test_items_that_came_as_the_thread_left_are_told_of() -> None:
    rung: list[Any] = []
    found = filled(1, lambda: rung.append(True))
    found.run(lambda item: found.add([item]), lambda: len(found) > 0 and bool(found.take_last()))
    assert not rung
    found.add([1])
    found.run(lambda _: None, lambda: True)
    assert rung == [True]
