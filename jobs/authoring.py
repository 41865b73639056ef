"""Messages the hub writes itself, built and validated by hl7apy in a process of its own."""

from __future__ import annotations

from connectors.sdk.base import AppointmentNotice, Draft, MessageAuthor
from connectors.sdk.hl7v2.acks import new_control_id
from connectors.sdk.hl7v2.builder import build_message
from connectors.sdk.hl7v2.header import read_header
from hub.domain.agreements import practice_scope, unrestricted_scope
from hub.errors import NotSupported
from hub.services import appointment_notices, outbound
from hub.services.outbound import Content
from jobs.calling import connector_of, stored_connection
from jobs.children import run_apart
from jobs.context import RunningJob

_SCOPE = unrestricted_scope("authoring")


def write_appointment(job: RunningJob) -> None:
    """Write a message about an appointment as it stands now and queue it for its destination.

    What the standard or the destination does not allow ends the job dead, with the reason and
    without values; nothing is queued then.
    """
    practice_id = str(job.args["practice_id"])
    connection = stored_connection(job.context, str(job.args["connection_id"]))
    author, config = connector_of(connection)
    if not isinstance(author, MessageAuthor):
        raise NotSupported("This connector writes no messages.", feature="message_author")
    appointment_id = str(job.args["appointment_id"])
    with job.context.database.read(practice_scope(practice_id)) as session:
        appointment = appointment_notices.load(
            session, practice_id=practice_id, appointment_id=appointment_id
        )
    notice = AppointmentNotice(
        appointment_id,
        appointment,
        bool(job.args["is_new"]),
        new_control_id(),
        job.context.now(),
    )
    raw = run_apart(job, build, author.draft_appointment(config, notice))
    header = read_header(raw)
    message_type = header.message_type if header is not None else ""
    content = Content(raw, message_type, notice.control_id)
    job.finish(
        _SCOPE,
        lambda session: outbound.add(
            session,
            job.context.crypto,
            connection_id=connection.id,
            messages=[content],
            practice_id=practice_id,
            now=job.context.now(),
        ),
    )


def build(draft: Draft) -> bytes:
    """A draft through hl7apy; in the child process."""
    return build_message(draft.structure, draft.version, draft.segments)
