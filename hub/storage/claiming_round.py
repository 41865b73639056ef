"""One call of claiming: what it may still take, and what it took."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import orjson

from hub import log
from hub.domain.jobs import Job
from hub.random_bytes import random_bytes
from hub.storage import bulk
from hub.storage import claiming_statements as statements
from hub.storage.claiming_statements import JobAsStored
from hub.storage.queue import ClaimedJob
from hub.storage.session import ScopedSession
from hub.storage.upsert import dialect_of

logger = log.get(__name__)

UNKNOWN_KIND_DELAY = timedelta(seconds=30)
KINDS: Mapping[str, Job] = {kind.value: kind for kind in Job}


@dataclass(slots=True)
class Round:
    """Places that are left, and the jobs that have one, in the order they are run."""

    session: ScopedSession
    queue: str
    lease_until: datetime
    now: datetime
    begins: bool
    """Whether claiming counts as an attempt; a pointer's job begins later."""
    together: frozenset[str]
    in_lane: frozenset[str]
    long: frozenset[str]
    long_room: int
    room: int
    """How many more may be taken."""
    alone_room: int
    """How many more of those that are run by themselves."""
    jobs: list[ClaimedJob] = field(default_factory=list)
    taken_free: list[int] = field(default_factory=list)
    """Ids of jobs without a lane that were taken and are still to be leased."""
    token: str = field(default_factory=lambda: f"{random_bytes(16).hex()}-")
    """What the tokens of this round begin with; the id of the job follows."""

    @property
    def dialect(self) -> str:
        return dialect_of(self.session)

    def take(self, row: JobAsStored, *, follows: bool = False) -> ClaimedJob:
        """Give a job that is, or will be, leased a place; `row` as it was before."""
        self.room -= 1
        self.alone_room -= not follows and not self.runs_together(row)
        self.long_room -= row.kind in self.long
        job = ClaimedJob(
            row.id,
            KINDS[row.kind],
            f"{self.token}{row.id}",
            row.practice_id,
            row.args,
            row.attempt + 1,
            row.max_attempts,
            self.lease_until,
            () if follows else row.lanes,
            follows,
            row.envelope,
        )
        self.jobs.append(job)
        return job

    def runs_together(self, row: JobAsStored) -> bool:
        """What was tried before runs by itself: it may be what ended the others' transaction."""
        return row.kind in self.together and row.attempt == 0

    def lease_taken(self, *, last: bool = False) -> None:
        """Lease the jobs without a lane that were taken; the `last` ones as the transaction ends.
        They are locked, so that nobody can have had them meanwhile."""
        if self.taken_free:
            parameters = self._leasing(self.taken_free)
            write = bulk.run_last if last else bulk.run
            write(self.session, statements.lease(self.dialect), parameters)
            self.taken_free = []

    def lease_now(self, ids: Sequence[int]) -> set[int]:
        """Lease jobs of lanes; those of them that were still ready. Between two statements of a
        transaction on SQLite nobody else writes."""
        if not ids:
            return set()
        parameters = self._leasing(ids)
        if self.dialect == "sqlite":
            bulk.run(self.session, statements.lease(self.dialect), parameters)
            return set(ids)
        leasing = statements.lease(self.dialect, returning=True)
        return {job_id for (job_id,) in bulk.run(self.session, leasing, parameters).fetchall()}

    def _leasing(self, ids: Sequence[int]) -> list[Any]:
        begun = self.now if self.begins else None
        return self.moments(
            self.token, self.lease_until, begun, int(self.begins), bulk.values(self.dialect, ids)
        )

    def put_back(self, ids: Sequence[int]) -> None:
        """Make jobs that were leased in this transaction ready again."""
        if ids:
            given = [int(self.begins), bulk.values(self.dialect, ids)]
            bulk.run(self.session, statements.put_back(self.dialect), given)

    def postponed(self, row: JobAsStored) -> datetime:
        """Until when a job of a kind this version does not know waits: newer code may be running
        elsewhere."""
        logger.warning("job of an unknown kind waits", job_id=row.id)
        return self.now + UNKNOWN_KIND_DELAY

    def postpone(self, row: JobAsStored) -> None:
        """Have a job without a lane wait until then."""
        given = self.moments(self.postponed(row), bulk.values(self.dialect, [row.id]))
        bulk.run(self.session, statements.postpone(self.dialect), given)

    def ask_ahead(self, statement: str, *parameters: Any) -> Callable[[], list[Any]]:
        """Run a statement of `claiming_statements`; calling the result gives its rows, which in a
        pipeline come when that is over."""
        cursor = bulk.run(self.session, statement, self.moments(*parameters))
        return partial(_rows_of, self.dialect, cursor)

    def ask(self, statement: str, *parameters: Any) -> list[Any]:
        """The rows of a statement of `claiming_statements`."""
        return self.ask_ahead(statement, *parameters)()

    def moments(self, *parameters: Any) -> list[Any]:
        """Parameters of `bulk.run`, with moments as the database keeps them."""
        return [
            bulk.moment(self.session, each) if isinstance(each, datetime) else each
            for each in parameters
        ]

    def as_json(self, rows: Sequence[bulk.Row]) -> str:
        return bulk.as_json(self.session, rows)


def _rows_of(dialect: str, cursor: Any) -> list[Any]:
    """What `claiming_statements` says rows are."""
    if dialect == "sqlite":
        return orjson.loads(cursor.fetchone()[0])  # type: ignore[no-any-return]
    return cursor.fetchall()  # type: ignore[no-any-return]
