"""Placing orders at vendors and sending the documents owed to them."""

from __future__ import annotations

from connectors.sdk.base import OrderPlacer
from connectors.sdk.ctx import Ctx
from hub.domain.agreements import practice_scope, unrestricted_scope
from hub.domain.supply import SubmitReceipt
from hub.errors import DataError, NotFound, NotSupported, VendorRefused
from hub.services import placement
from hub.services.placement import Placement
from hub.storage import inbox
from jobs.calling import calling, stored_connection
from jobs.context import RunningJob
from jobs.ingest import parse

_SCOPE = unrestricted_scope("order documents")
CALL_SECONDS = 60.0


def place(job: RunningJob) -> None:
    """Send one purchase order: intent, lookup if an earlier attempt may have arrived, call,
    receipt."""
    context = job.context
    practice_id, order_id = str(job.args["practice_id"]), str(job.args["order_id"])
    scope = practice_scope(practice_id)
    intent = job.transaction(
        scope,
        lambda session: placement.begin(
            session, practice_id=practice_id, order_id=order_id, key=f"job-{job.claimed.id}"
        ),
    )
    if intent is None:
        return
    connection = stored_connection(context, intent.connection_id)
    try:
        with calling(job, connection, seconds=CALL_SECONDS) as (connector, ctx):
            if not isinstance(connector, OrderPlacer):
                raise NotSupported("This connector places no orders.", feature="order_placer")
            receipt = _submit(connector, ctx, intent)
    except (DataError, VendorRefused):
        job.transaction(
            scope,
            lambda session: placement.record_refusal(
                session, practice_id=practice_id, order_id=order_id
            ),
        )
        raise
    job.finish(
        scope,
        lambda session: placement.record_receipt(
            session,
            practice_id=practice_id,
            order_id=order_id,
            receipt=receipt,
            now=context.now(),
        ),
    )


def _submit(connector: OrderPlacer, ctx: Ctx, intent: Placement) -> SubmitReceipt:
    if intent.is_repeat:
        held = connector.lookup(ctx, intent.order, intent.idempotency_key)
        if held is not None:
            return held
    return connector.submit(ctx, intent.order, intent.idempotency_key)


def send_reply(job: RunningJob) -> None:
    """Send what a received document obliges us to (an X12 997), rendered anew from the stored
    bytes."""
    with job.context.database.read(_SCOPE) as session:
        message = inbox.get(session, str(job.args["inbox_id"]))
    if message is None or message.connection_id is None:
        raise NotFound("The message is no longer stored.")
    replies = parse(job, message).replies
    connection = stored_connection(job.context, message.connection_id)
    with calling(job, connection, seconds=CALL_SECONDS) as (connector, ctx):
        if not isinstance(connector, OrderPlacer):
            raise NotSupported("This connector sends no replies.", feature="order_placer")
        for reply in replies:
            connector.reply(ctx, reply)
