"""What was submitted and transactions take turns; nobody waits behind many of the others."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from hub.domain.agreements import unrestricted_scope
from hub.storage import waiting_work
from hub.storage.session import Database, ScopedSession
from hub.storage.waiting_work import MOST, Entry, WaitingWork
from tests.polling import wait_until

SCOPE = unrestricted_scope("test")


def entry(*, submitted: bool, durable: bool = True) -> Entry:
    return Entry(Future(), SCOPE, lambda _: None, durable, submitted)


def kinds(batch: list[Entry] | None) -> str:
    return "".join("s" if each.submitted else "t" for each in batch or [])


def filled(order: str) -> WaitingWork:
    waiting = WaitingWork()
    for kind in order:
        waiting.put(entry(submitted=kind == "s"))
    return waiting


def test_rounds_of_what_was_submitted_and_of_transactions_alternate() -> None:
    waiting = filled("tstst")
    assert kinds(waiting.next_round()) == "ss"
    for _ in range(3):
        waiting.put(entry(submitted=True))
    assert kinds(waiting.next_round()) == "t"
    assert kinds(waiting.next_round()) == "sss"
    assert [kinds(waiting.next_round()) for _ in range(2)] == ["t", "t"]
    waiting.close()
    assert waiting.next_round() is None


@pytest.mark.parametrize(
    ("order", "durable", "joins"),
    [
        ("tss", True, "ss"),
        ("tss", False, ""),
        ("tt", True, "t"),
        ("tt", False, ""),
        ("t", True, ""),
    ],
)
def test_what_joins_a_transaction(order: str, durable: bool, joins: str) -> None:
    waiting = filled(order)
    waiting._submitted_had_its_turn = True
    batch = waiting.next_round()
    assert batch is not None
    assert kinds(batch) == "t"
    batch += (joined := waiting.joining(batch, durable=durable))
    assert kinds(joined) == joins
    if "s" in joins:
        waiting.put(entry(submitted=True))
        assert waiting.joining(batch, durable=durable) == []  # those that wait are told first


def test_what_need_not_be_durable_joins_what_is_not() -> None:
    waiting = filled("t")
    waiting.put(entry(submitted=False, durable=False))
    waiting.put(entry(submitted=False, durable=False))
    first = waiting.next_round()
    assert first is not None
    assert kinds(waiting.joining(first, durable=False)) == "t"


def test_a_round_has_an_end() -> None:
    waiting = filled("s" * (MOST + 1))
    first = waiting.next_round()
    assert first is not None
    assert len(first) == MOST
    assert waiting.joining(first, durable=True) == []
    assert kinds(waiting.next_round()) == "s"


def test_transactions_are_short_while_somebody_submits(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(waiting_work, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    waiting = filled("t")
    assert not waiting.is_submitted_to
    waiting.put(entry(submitted=True))
    assert waiting.is_submitted_to
    clock[0] += waiting_work.LATELY
    assert not waiting.is_submitted_to


def test_what_is_submitted_during_a_transaction_waits_for_no_other(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'hub.db'}")
    order: list[str] = []
    running, done = threading.Event(), threading.Event()

    def noted(name: str, work: Callable[[], object] = bool) -> Callable[[ScopedSession], None]:
        def run(session: ScopedSession) -> None:
            session.after_commit.append(lambda: order.append(name))
            work()

        return run

    def first() -> None:
        running.set()
        assert done.wait(30)

    with ThreadPoolExecutor(3) as threads:
        transactions = [threads.submit(database.transaction, SCOPE, noted("first", first))]
        assert running.wait(30)
        names = ("second", "third")
        transactions += [threads.submit(database.transaction, SCOPE, noted(n)) for n in names]
        wait_until(lambda: len(database._committer._waiting._transactions) == 2)
        submitted = database.submit(SCOPE, noted("submitted"))
        done.set()
        submitted.result(30)
        for transaction in transactions:
            transaction.result(30)
    database.close()
    assert order[:2] == ["first", "submitted"]
    assert sorted(order[2:]) == ["second", "third"]
