"""The nightly eligibility run and the single check: short read, call, short write."""

from __future__ import annotations

from connectors.sdk.base import EligibilityAnswer, EligibilityClient
from connectors.sdk.ctx import Ctx
from hub.domain.agreements import practice_scope, unrestricted_scope
from hub.domain.eligibility_rejects import Lane, retry_after
from hub.errors import HubError, NotSupported, Transient, VendorDown
from hub.services import eligibility
from hub.services.eligibility import Inquiry
from hub.storage.session import ScopedSession
from jobs.calling import calling, stored_connection
from jobs.context import RunningJob

_SCOPE = unrestricted_scope("eligibility plan")
CALL_SECONDS = 60.0


def nightly(job: RunningJob) -> None:
    """Queue a check for each visit due; the same night twice adds nothing."""
    context = job.context
    job.finish(
        _SCOPE,
        lambda session: eligibility.plan_checks(session, context.crypto, now=context.now()),
    )


def check(job: RunningJob) -> None:
    """Ask the payer about one check and store the answer. A payer that is down is asked again
    later, as often and as late as it lets itself be asked."""
    context = job.context
    practice_id, check_id = str(job.args["practice_id"]), str(job.args["check_id"])
    scope = practice_scope(practice_id)
    with context.database.read(scope) as session:
        connection_id = eligibility.route_of(session, practice_id, check_id)
    if connection_id is None:
        return
    connection = stored_connection(context, connection_id)
    with calling(job, connection, seconds=CALL_SECONDS) as (connector, ctx):
        if not isinstance(connector, EligibilityClient):
            raise NotSupported("This connector asks no payers.", feature="eligibility")
        inquiry = job.transaction(
            scope,
            lambda session: eligibility.begin(
                session,
                context.crypto,
                practice_id=practice_id,
                check_id=check_id,
                trace_company=getattr(ctx.config, "trace_company", ""),
                sender=getattr(ctx.config, "sender_id", connection.id),
                now=context.now(),
            ),
        )
        if inquiry is None:
            return
        answer = _ask(job, connector, ctx, inquiry)
    _store(job, inquiry, answer)


def _store(job: RunningJob, inquiry: Inquiry, answer: EligibilityAnswer) -> None:
    """Store the answer, and end the job unless the payer is to be asked again. Raises Transient
    then."""
    context, scope = job.context, practice_scope(inquiry.practice_id)
    lane: Lane = "batch" if job.args.get("planned", True) else "desk"
    wait = retry_after(answer.result.rejects, lane, job.claimed.attempt)
    if job.claimed.attempt >= job.claimed.max_attempts:
        wait = None

    def record(session: ScopedSession) -> None:
        eligibility.record(
            session, context.crypto, inquiry, answer.result, answer.raw,
            asks_again=wait is not None, now=context.now(),
        )  # fmt: skip

    if wait is None:
        job.finish(scope, record)
        return
    job.transaction(scope, record)
    raise Transient("The payer says it cannot answer now.", retry_after=wait.total_seconds())


def _ask(
    job: RunningJob, connector: EligibilityClient, ctx: Ctx, inquiry: Inquiry
) -> EligibilityAnswer:
    scope = practice_scope(inquiry.practice_id)
    try:
        return connector.inquire(ctx, inquiry.query)
    except VendorDown as error:
        text = str(error)
        is_last = job.claimed.attempt >= job.claimed.max_attempts
        note = eligibility.note_failure if is_last else eligibility.note_payer_down
        job.transaction(scope, lambda session: note(session, inquiry, text))
        raise
    except HubError as error:
        text = str(error)
        job.transaction(scope, lambda session: eligibility.note_failure(session, inquiry, text))
        raise
