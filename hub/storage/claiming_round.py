"""One call of claiming: what it may still take, and what it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from hub import log
from hub.domain.jobs import Job
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

    @property
    def dialect(self) -> str:
        return dialect_of(self.session)

    def take(self, row: JobAsStored, token: str, *, follows: bool = False) -> ClaimedJob:
        """`row` as it was before it was leased."""
        self.room -= 1
        self.alone_room -= not follows and not self.runs_together(row)
        self.long_room -= row.kind in self.long
        job = ClaimedJob(
            row.id,
            KINDS[row.kind],
            token,
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

    def postponed(self, row: JobAsStored) -> datetime:
        """Until when a job of a kind this version does not know waits: newer code may be running
        elsewhere."""
        logger.warning("job of an unknown kind waits", job_id=row.id)
        return self.now + UNKNOWN_KIND_DELAY

    def put_back(self, jobs: Sequence[tuple[JobAsStored, datetime | None]]) -> None:
        """Make jobs that were leased in this transaction ready again, or due at a moment."""
        begun = int(self.begins)
        rows = [{"id": row.id, "begun": begun, "later": later} for row, later in jobs]
        if rows:
            self.tell(statements.put_back(self.dialect), self.as_json(rows))

    def ask(self, statement: str, *parameters: Any) -> list[Any]:
        """The driver's rows; moments go in as the database keeps them."""
        found: list[Any] = self.tell(statement, *parameters).fetchall()
        return found

    def tell(self, statement: str, *parameters: Any) -> Any:
        moments = [
            bulk.moment(self.session, each) if isinstance(each, datetime) else each
            for each in parameters
        ]
        return bulk.run(self.session, statement, moments)

    def as_json(self, rows: Sequence[bulk.Row]) -> str:
        return bulk.as_json(self.session, rows)
