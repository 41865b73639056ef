"""One scenario on one deployment: what it injects and how fast the hub was back."""

from __future__ import annotations

import random
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime

from checker import Verdict
from deployment import LEASE_SECONDS, SCOPE, Deployment
from servers import Broker, Postgresql
from shim import Shim
from sqlalchemy import select

from hub.storage.tables import JobRow

GOAL_SECONDS = LEASE_SECONDS + 2.0
"""Within which the work of a worker that died must be done elsewhere."""
GOOD_SECONDS = 5.0
"""Within which a listener should accept again once what it needs is back."""


@dataclass
class Cluster:
    """The campaign's PostgreSQL and what may fail beneath it."""

    server: Postgresql
    shim: Shim | None


@dataclass
class Trial:
    """`scale` stretches how often each fault is injected; 1.0 is the full campaign."""

    deployment: Deployment
    random: random.Random
    scale: float
    cluster: Cluster | None = None
    broker: Broker | None = None
    injected: Counter[str] = field(default_factory=Counter)
    recoveries: list[float] = field(default_factory=list)
    """Seconds from a worker's death to the end of the last job it held."""
    findings: list[str] = field(default_factory=list)
    """What a scenario itself saw and should not have."""
    waits: list[float] = field(default_factory=list)
    """Seconds from the end of a fault to the next acknowledgement."""
    checked: Verdict | None = None
    """What the checker found, where a scenario had to ask it itself."""
    _died: list[tuple[datetime, list[int]]] = field(default_factory=list)

    def times(self, full: int) -> range:
        return range(max(1, round(full * self.scale)))

    def inject(self, what: str, count: int = 1) -> None:
        self.injected[what] += count

    def require(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.findings.append(otherwise)

    def rest(self, least: float, most: float) -> None:
        time.sleep(self.random.uniform(least, most))

    def note_death(self) -> None:
        """Call it right after a worker was killed or pointers were lost: whatever runs now may be
        nobody's. A job that lost a worker before is not measured: the hub lets it wait on
        purpose."""
        first = "SELECT id FROM jobs WHERE state = 'running' AND attempt <= 1"
        rows = self.deployment.rows(first)
        self._died.append((datetime.now(UTC), [row[0] for row in rows]))

    def measure(self) -> None:
        """Call it once the queue is empty: when were the jobs over that dead workers held?"""
        with closing(self.deployment.open()) as hub, hub.database.read(SCOPE) as session:
            lost_once = select(JobRow.id, JobRow.done_at).where(JobRow.attempt <= 2)
            done = dict(session.execute(lost_once).tuples().all())
        for died, jobs in self._died:
            ends = [done[job] for job in jobs if done.get(job) is not None]
            if ends:
                self.recoveries.append(max(0.0, (max(ends) - died).total_seconds()))  # type: ignore[type-var]
