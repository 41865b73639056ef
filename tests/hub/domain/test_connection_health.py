"""Health words: each threshold at its boundary."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub.domain.connection_health import PULLED_EVERY, READ_WITHIN, Facts, Health, health

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def facts(**given: Any) -> Facts:
    return Facts(**{"status": "ok", "paused": False, "created_at": NOW, **given})


def pulled(late: timedelta, **given: Any) -> Facts:
    return facts(succeeded_at=NOW - late, interval=PULLED_EVERY, **given)


def waiting(length: timedelta, **given: Any) -> Facts:
    return facts(succeeded_at=NOW, waiting_since=NOW - length, **given)


@pytest.mark.parametrize(
    ("known", "word"),
    [
        (facts(), Health.PENDING),
        (facts(interval=PULLED_EVERY), Health.PENDING),
        (facts(succeeded_at=NOW - timedelta(days=30)), Health.ON_TIME),
        (pulled(PULLED_EVERY), Health.ON_TIME),
        (pulled(PULLED_EVERY, status="unreachable"), Health.ON_TRACK),
        (pulled(PULLED_EVERY + TICK), Health.DELAYED),
        (pulled(PULLED_EVERY + TICK, status="unreachable"), Health.DELAYED),
        (pulled(2 * PULLED_EVERY), Health.DELAYED),
        (pulled(2 * PULLED_EVERY + TICK), Health.ERROR),
        (facts(interval=PULLED_EVERY, status="unreachable"), Health.ON_TRACK),
        (
            facts(interval=PULLED_EVERY, status="unreachable", created_at=NOW - 3 * PULLED_EVERY),
            Health.ERROR,
        ),
        (waiting(READ_WITHIN), Health.ON_TIME),
        (waiting(READ_WITHIN + TICK), Health.DELAYED),
        (waiting(2 * READ_WITHIN + TICK), Health.ERROR),
        (facts(waiting_since=NOW), Health.ON_TIME),
        (facts(status="unreachable"), Health.ON_TRACK),
        (pulled(9 * PULLED_EVERY, running=True), Health.IN_PROGRESS),
        (pulled(TICK, status="needs_reauth", running=True), Health.ACTION_REQUIRED),
        (pulled(TICK, status="needs_scope"), Health.ACTION_REQUIRED),
        (pulled(TICK, status="invalid_config"), Health.ACTION_REQUIRED),
        (pulled(TICK, status="error"), Health.ACTION_REQUIRED),
        (waiting(9 * READ_WITHIN, status="error", paused=True), Health.DISABLED),
    ],
)
def test_a_connection_has_one_word(known: Facts, word: Health) -> None:
    assert health(known, NOW) is word
