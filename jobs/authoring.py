"""Messages the hub writes itself, built and validated by hl7apy in a process of its own."""

from __future__ import annotations

from connectors.sdk.base import AppointmentNotice, Draft, MessageAuthor, OrderNotice
from connectors.sdk.config import ConnectorConfig
from connectors.sdk.hl7v2.acks import new_control_id
from connectors.sdk.hl7v2.builder import build_message
from connectors.sdk.hl7v2.header import read_header
from hub.domain.agreements import operations_scope, practice_scope
from hub.errors import NotSupported
from hub.services import appointment_notices, order_notices, outbound
from hub.services.outbound import Content
from hub.storage.tables import Connection
from jobs.calling import connector_of, stored_connection
from jobs.context import RunningJob

_SCOPE = operations_scope("authoring")


def write_appointment(job: RunningJob) -> None:
    """Write a message about an appointment as it stands now and queue it for its destination.

    What the standard or the destination does not allow ends the job dead, with the reason and
    without values; nothing is queued then.
    """
    practice_id, appointment_id = str(job.args["practice_id"]), str(job.args["appointment_id"])
    with job.context.database.read(practice_scope(practice_id)) as session:
        appointment = appointment_notices.load(
            session, practice_id=practice_id, appointment_id=appointment_id
        )
    connection, author, config = _author(job)
    notice = AppointmentNotice(
        appointment_id,
        appointment,
        bool(job.args["is_new"]),
        new_control_id(),
        job.context.now(),
    )
    _queue(job, connection, author.draft_appointment(config, notice), notice.control_id)


def write_order(job: RunningJob) -> None:
    """Write a message about a clinical order as it stands now and queue it for its destination;
    ends as `write_appointment` does."""
    practice_id, order_id = str(job.args["practice_id"]), str(job.args["order_id"])
    with job.context.database.read(practice_scope(practice_id)) as session:
        order = order_notices.load(session, practice_id=practice_id, order_id=order_id)
    connection, author, config = _author(job)
    notice = OrderNotice(
        order_id, order, bool(job.args["is_new"]), new_control_id(), job.context.now()
    )
    _queue(job, connection, author.draft_order(config, notice), notice.control_id)


def _author(job: RunningJob) -> tuple[Connection, MessageAuthor, ConnectorConfig]:
    connection = stored_connection(job.context, str(job.args["connection_id"]))
    author, config = connector_of(connection)
    if not isinstance(author, MessageAuthor):
        raise NotSupported("This connector writes no messages.", feature="message_author")
    return connection, author, config


def _queue(job: RunningJob, connection: Connection, draft: Draft, control_id: str) -> None:
    """Build the draft and put it behind whatever waits for the destination."""
    raw = job.context.author.run(job, build, draft)
    header = read_header(raw)
    content = Content(raw, header.message_type if header is not None else "", control_id)
    job.finish(
        _SCOPE,
        lambda session: outbound.add(
            session,
            job.context.crypto,
            connection_id=connection.id,
            messages=[content],
            practice_id=str(job.args["practice_id"]),
            now=job.context.now(),
        ),
    )


def build(draft: Draft) -> bytes:
    """A draft through hl7apy; in the child process."""
    return build_message(draft.structure, draft.version, draft.segments)
