"""Messages that came together (HL7 v2.5.1 §2.10.3): each is judged, stored and answered by
itself, all in one commit; the envelope is kept beside them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from connectors.sdk.hl7v2.acks import build_ack, new_control_id
from connectors.sdk.hl7v2.batches import Batch, build_batch_ack
from connectors.sdk.hl7v2.faults import Fault
from connectors.sdk.hl7v2.framing import Frame
from hub.entrypoints.hl7_judging import (
    CONTENT_TYPE,
    Judgement,
    issue_of,
    judge,
)
from hub.entrypoints.hl7_outlines import source_of
from hub.entrypoints.hl7_routes import Peer, Routes
from hub.services.intake import Arrival


def judge_batch(batch: Batch, peer: Peer, routes: Routes) -> list[Judgement]:
    """What is to be stored for a batch, its envelope last if it has one; pure.

    Where the batch is incomplete, what would have been accepted is kept in quarantine instead, and
    its control id stays free for the batch that is sent again whole.
    """
    header = batch.header
    name = header.raw(11).decode("utf-8", "replace")[:100] if header else ""
    name = name or new_control_id()
    found = [
        _within(batch, name, judge(Frame(content, "", len(content)), peer, routes))
        for content in batch.messages
    ]
    if header is None:
        return found
    connection = routes.find(header.sending_application, peer)
    envelope = Arrival(
        kind="hl7v2",
        connection_id=connection.connection_id if connection else None,
        practice_id=None,
        source=source_of(header, connection, peer),
        control_id="",
        message_type=batch.envelope[:3].decode(),
        content=batch.envelope,
        content_type=CONTENT_TYPE,
        headers={"batch": name, "messages": str(len(batch.messages))},
        state="quarantined" if batch.fault else "ignored",
        fault=issue_of(batch.fault),
    )
    return [*found, Judgement(envelope, None, silent=True, connection=connection)]


def answer_without_messages(batch: Batch, fault: Fault | None, now: datetime) -> bytes:
    """Nothing is left without an answer: an envelope alone gets its own back, empty, or what is
    wrong with it or with storing it (`fault`)."""
    fault = fault or batch.fault
    if fault is not None:
        return build_ack(None, fault.answer, [fault], now=now, control_id=new_control_id())
    return build_batch_ack(batch, [], now=now, control_id=new_control_id())


def _within(batch: Batch, name: str, judgement: Judgement) -> Judgement:
    arrival = judgement.arrival
    arrival = replace(arrival, headers={**arrival.headers, "batch": name})
    if batch.fault is None or judgement.faults:
        return replace(judgement, arrival=arrival)
    arrival = replace(
        arrival,
        control_id="",
        state="quarantined",
        fault=issue_of(batch.fault),
        lanes=(),
        patients=(),
        destinations=(),
    )
    return replace(judgement, arrival=arrival, faults=(batch.fault,))
