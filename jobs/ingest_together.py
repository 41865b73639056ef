"""Many messages of one practice in one transaction: what they touch is read ahead, and they end
together. Whatever is out of the ordinary is left to `ingest.process_message`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from connectors.sdk.base import ParsedDocument
from hub import metrics
from hub.domain.agreements import operations_scope, practice_scope
from hub.domain.encounters import Encounter
from hub.domain.observations import ObservationReport
from hub.domain.patients import Identifier, PatientMerge, PatientUnmerge
from hub.domain.records import Record
from hub.domain.scheduling import Appointment
from hub.errors import HubError, Rejected
from hub.services.apply import apply
from hub.storage import connections, finishing, inbox, known
from hub.storage.session import ScopedSession
from hub.storage.tables import Appointment as AppointmentRow
from hub.storage.tables import Connection, InboundMessage, Practice
from hub.storage.tables import Encounter as EncounterRow
from hub.storage.tables import Observation as ObservationRow
from jobs import acknowledging, continuation
from jobs.context import JobContext, RunningJob
from jobs.ingest import context_of, parse_with

_SCOPE = operations_scope("ingest")
MOST_TRIES = 3


@dataclass(frozen=True, slots=True)
class _Read:
    """A message and what it says."""

    job: RunningJob
    message: InboundMessage
    parsed: ParsedDocument


class _Refused(Exception):
    """A message of several was refused in part, so that nothing of all of them is written."""

    def __init__(self, job: RunningJob) -> None:
        super().__init__()
        self.job = job


def process_messages(jobs: Sequence[RunningJob]) -> Sequence[RunningJob]:
    """Read stored messages of one practice and apply what they say; returns the jobs that are to be
    run one by one."""
    practice_id, context = jobs[0].claimed.practice_id, jobs[0].context
    if practice_id is None:
        return jobs
    zone, read = _read_all(context, practice_id, jobs)
    for _ in range(MOST_TRIES):
        if len(read) < 2:
            break
        try:
            _apply(context, practice_id, zone, read)
        except _Refused as refused:
            read = _without(read, refused.job)
        else:
            break
    return [job for job in jobs if not job.finished]


def _read_all(
    context: JobContext, practice_id: str, jobs: Sequence[RunningJob]
) -> tuple[ZoneInfo, list[_Read]]:
    """The messages that can be read; after one that cannot, none of its lane."""
    ids = [str(job.args["inbox_id"]) for job in jobs]
    with context.database.read(_SCOPE) as session:
        messages = inbox.get_all(session, ids)
        used = {message.connection_id or "" for message in messages.values()}
        stored = connections.get_all(session, used)
        zone = ZoneInfo(session.get_one(Practice, practice_id).zone)
    read: list[_Read] = []
    unread = False
    for job, inbox_id in zip(jobs, ids, strict=True):
        if unread and job.claimed.follows:
            continue
        found = _parse(job, stored, messages.get(inbox_id))
        unread = found is None
        if found is not None:
            read.append(found)
    return zone, read


def _parse(
    job: RunningJob, stored: dict[str, Connection], message: InboundMessage | None
) -> _Read | None:
    connection = stored.get(message.connection_id or "") if message is not None else None
    if message is None or connection is None or message.practice_id != job.claimed.practice_id:
        return None
    if continuation.is_part(message):
        return None
    try:
        parsed = parse_with(job, connection, message)
    except HubError:
        return None
    if parsed.ignored or parsed.replies or any(_audits(record.data) for record in parsed.records):
        return None
    return _Read(job, message, parsed)


def _audits(data: object) -> bool:
    """Whether applying it may hold the head of the audit trail, which nobody does while others'
    records are applied."""
    return isinstance(data, PatientUnmerge)


def _without(read: Sequence[_Read], refused: RunningJob) -> list[_Read]:
    """All but one message and those of its lane that come after it."""
    left: list[_Read] = []
    dropping = False
    for each in read:
        dropping = each.job is refused or (dropping and each.job.claimed.follows)
        if not dropping:
            left.append(each)
    return left


def _apply(context: JobContext, practice_id: str, zone: ZoneInfo, read: Sequence[_Read]) -> None:
    def effects(session: ScopedSession) -> None:
        _read_ahead(session, practice_id, read)
        inbox.forget_issues(session, [each.message for each in read])
        now = context.now()
        outcomes: list[dict[str, Any]] = []
        issues: list[dict[str, object]] = []
        for each in read:
            applying = context_of(each.job, each.message, zone)
            try:
                for record in each.parsed.records:
                    apply(session, applying, record, among_others=True)
            except Rejected as error:
                raise _Refused(each.job) from error
            issues += applying.unsaved
            issues += inbox.issue_rows(
                each.parsed.issues, now=now, practice_id=practice_id, inbox_id=each.message.id
            )
            count = len(each.parsed.issues) + len(applying.issues)
            ended = {"id": each.message.id, "state": "processed", "processed_at": now}
            outcomes.append({**ended, "issues": count})
        session.flush()
        inbox.save_issues(session, issues)
        for each in read:
            acknowledging.owe(
                each.job, session, each.message, state="processed", fault=None, now=now
            )
        inbox.set_outcomes(session, outcomes)
        finishing.finish_many(session, [each.job.claimed for each in read], now=now)

    context.database.transaction(practice_scope(practice_id), effects)
    for each in read:
        each.job.finished = True
        metrics.jobs_ended.labels(each.job.claimed.kind, "done").inc()


def _read_ahead(session: ScopedSession, practice_id: str, read: Sequence[_Read]) -> None:
    by_connection: dict[str, list[Record]] = {}
    for each in read:
        records = by_connection.setdefault(str(each.message.connection_id), [])
        records.extend(each.parsed.records)
    kinds = {type(record.data) for each in read for record in each.parsed.records}
    for connection_id, records in by_connection.items():
        keys: dict[type[Any], set[str]] = {EncounterRow: set(), AppointmentRow: set()}
        keys[ObservationRow] = set()
        for table, key in (pair for record in records for pair in _keys(record)):
            keys[table].add(key)
        values = {found.value for record in records for found in _identifiers(record.data)}
        known.read_ahead(
            session,
            practice_id,
            connection_id,
            values=values,
            keys=dict(keys),
            providers={key for record in records for key in _providers(record.data)},
            moving=bool(kinds & _MOVING),
        )


_MOVING = {PatientMerge, PatientUnmerge}
"""What belongs to a patient goes along."""


def _keys(record: Record) -> Iterator[tuple[type[Any], str]]:
    data = record.data
    if isinstance(data, Encounter):
        yield EncounterRow, record.external_id
    elif isinstance(data, Appointment):
        yield AppointmentRow, record.external_id
    elif isinstance(data, ObservationReport):
        for observation in data.observations:
            yield ObservationRow, f"{record.external_id}/{observation.key}"
        if data.visit_number:
            yield EncounterRow, data.visit_number


def _providers(data: object) -> Iterator[str]:
    """The keys of those whom most messages name."""
    named = [getattr(data, name, None) for name in ("attending", "primary_provider")]
    named += [role.practitioner for role in getattr(data, "care_roles", ())]
    return (one.external_id or one.npi for one in named if one is not None)


def _identifiers(data: object) -> tuple[Identifier, ...]:
    """The patient's, who is the record's subject or the record itself."""
    patient = getattr(data, "patient", data)
    return tuple(getattr(patient, "identifiers", ()))
