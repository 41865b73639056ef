"""Messages refused at the door, judged again because somebody asked for it."""

from __future__ import annotations

from hub.domain.agreements import operations_scope
from hub.errors import NotFound, NotSupported
from hub.services import judging
from hub.storage import inbox
from hub.storage.session import ScopedSession
from jobs.context import RunningJob

_SCOPE = operations_scope("judging")


def judge_again(job: RunningJob) -> None:
    """Let a message in that would be let in now: it is read and forwarded as if it came at this
    moment. One that would not stays, with the fault it has by now."""
    context, inbox_id = job.context, str(job.args["inbox_id"])
    if context.judge_again is None:
        raise NotSupported("Messages are judged by a hub that receives them.", feature="hl7")
    with context.database.read(_SCOPE) as session:
        message = inbox.get(session, inbox_id)
    if message is None:
        raise NotFound("The message is no longer stored.")
    arrival = context.judge_again(message, inbox.raw(message, context.crypto))

    def effects(session: ScopedSession) -> None:
        judging.judged(session, context.crypto, inbox_id, arrival, now=context.now())

    job.finish(_SCOPE, effects)
