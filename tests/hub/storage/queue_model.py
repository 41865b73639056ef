"""What the queue must do, said in a hundred lines that hold everything in memory."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

LEASE = timedelta(seconds=60)
MOST_ATTEMPTS = 3
LOST = "lease lost"
"""The answer to who holds a job no longer."""


@dataclass(frozen=True)
class ModelJob:
    """One job. `holder` is the token of who runs it; `run_at` None: when is the queue's choice."""

    key: str | None
    lane: str | None
    run_at: datetime | None
    state: str = "ready"
    attempt: int = 0
    holder: str | None = None
    asked: bool = False
    lease_until: datetime | None = None

    @property
    def is_live(self) -> bool:
        return self.state in ("ready", "running")

    def seen(self) -> tuple[object, ...]:
        """What the row must say."""
        held = self.holder is not None
        return (self.state, self.attempt, held, self.asked, self.lease_until, self.key, self.lane)


@dataclass
class QueueModel:
    """Every step takes what the queue's function takes and returns what it must return."""

    now: datetime
    jobs: dict[int, ModelJob] = field(default_factory=dict)

    def copy(self) -> QueueModel:
        return QueueModel(self.now, dict(self.jobs))

    def seen(self) -> dict[int, tuple[object, ...]]:
        return {n: job.seen() for n, job in self.jobs.items()}

    def add(self, n: int, key: str | None, lane: str | None, run_at: datetime) -> None:
        self.jobs[n] = ModelJob(key, lane, run_at)

    def live(self, key: str) -> int | None:
        return next((n for n, job in self.jobs.items() if job.key == key and job.is_live), None)

    def claimable(self) -> list[int]:
        """Due jobs without a lane, and of each lane its oldest live job if it is due."""
        heads = {job.lane: n for n, job in sorted(self.jobs.items(), reverse=True) if job.is_live}
        free = {n for n, job in self.jobs.items() if job.lane is None}
        free |= {n for lane, n in heads.items() if lane is not None}
        return [n for n in sorted(free) if self._is_due(self.jobs[n])]

    def _is_due(self, job: ModelJob) -> bool:
        return job.state == "ready" and job.run_at is not None and job.run_at <= self.now

    def claim(self) -> list[int]:
        """The tokens are not known yet; `hold` tells them."""
        found = self.claimable()
        for n in found:
            job = self.jobs[n]
            self.jobs[n] = replace(
                job, state="running", attempt=job.attempt + 1, holder="?",
                lease_until=self.now + LEASE,
            )  # fmt: skip
        return found

    def hold(self, n: int, token: str) -> None:
        if self.jobs[n].holder == "?":
            self.jobs[n] = replace(self.jobs[n], holder=token)

    def _is_held(self, n: int, token: str) -> bool:
        return self.jobs[n].state == "running" and self.jobs[n].holder == token

    def _leave(self, n: int, state: str, **values: object) -> str:
        left = {"holder": None, "lease_until": None, **values}
        self.jobs[n] = replace(self.jobs[n], state=state, **left)  # type: ignore[arg-type]
        return state

    def finish(self, n: int, token: str) -> object:
        return self._leave(n, "done") if self._is_held(n, token) else LOST

    def _again(self, n: int, **values: object) -> str:
        return self._leave(n, "cancelled" if self.jobs[n].asked else "ready", **values)

    def fail(self, n: int, token: str, run_at: datetime | None) -> object:
        if not self._is_held(n, token):
            return LOST
        if run_at is None or self.jobs[n].attempt >= MOST_ATTEMPTS:
            return self._leave(n, "dead")
        return self._again(n, run_at=run_at)

    def release(self, n: int, token: str) -> object:
        if not self._is_held(n, token):
            return LOST
        return self._again(n, attempt=self.jobs[n].attempt - 1)

    def end_cancelled(self, n: int, token: str) -> object:
        return self._leave(n, "cancelled") if self._is_held(n, token) else LOST

    def heartbeat(self, n: int, token: str) -> object:
        if not self._is_held(n, token):
            return False
        self.jobs[n] = replace(self.jobs[n], lease_until=self.now + LEASE)
        return self.jobs[n].asked

    def cancel(self, n: int) -> object:
        job = self.jobs[n]
        if job.state == "ready":
            self._leave(n, "cancelled")
        elif job.state == "running":
            self.jobs[n] = replace(job, asked=True)
        return job.is_live

    def retry_dead(self, n: int) -> object:
        job = self.jobs[n]
        if job.state != "dead" or (job.key is not None and self.live(job.key) is not None):
            return False
        self._leave(n, "ready", attempt=0, asked=False, run_at=self.now)
        return True

    def rescue(self) -> int:
        late = [
            n
            for n, job in self.jobs.items()
            if job.state == "running" and job.lease_until is not None and job.lease_until < self.now
        ]
        for n in late:
            job = self.jobs[n]
            if job.attempt >= MOST_ATTEMPTS:
                self._leave(n, "dead")
            else:
                self._again(n, run_at=job.run_at if job.attempt == 1 else None)
        return len(late)
