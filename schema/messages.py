"""Messages for operators: what to search them by, what went wrong with them, reading and sending
again."""

from __future__ import annotations

from collections.abc import Callable

import strawberry

from hub.domain.agreements import DataClass
from hub.errors import Forbidden, Rejected
from hub.services import appointment_notices, intake, issues, order_notices, outbound
from hub.services import messages as message_service
from hub.services.messages import Wanted
from hub.storage.reads.write import read_global_id
from schema.common import DateTime
from schema.context import Context
from schema.mapping.mutate import Call, Payload, row_id

MOST_MESSAGES = 1000
LONGEST_REASON = 200
INPUTS = {
    "ReplayWhereInput": {
        "state": "InboundMessageState | None",
        "connectionId": "ID | None",
        "messageType": "str | None",
        "controlId": "str | None",
        "faultCode": "str | None",
        "patientKey": "str | None",
        "sendingApplication": "str | None",
        "sendingFacility": "str | None",
        "since": "DateTime | None",
        "until": "DateTime | None",
    }
}


@strawberry.type(description="How often a code came up with messages of a connection on a day.")
class MessageIssueCount:
    day: str = strawberry.field(description="Of UTC, ISO 8601.")
    connection_id: strawberry.ID = strawberry.field(description="Empty for an unknown sender.")
    connection_name: str
    kind: str = strawberry.field(
        description="fault: why a message was not read; issue: what of it was not understood; "
        "framing: what was tolerated around it."
    )
    code: str
    count: int


def _issue_counts(
    info: strawberry.Info[Context, None],
    since: DateTime,
    connection_id: strawberry.ID | None = None,
) -> list[MessageIssueCount]:
    context = info.context
    if not context.scope.is_mso:
        raise Forbidden("Only the MSO's own apps may do this.")
    named = row_id(connection_id, "Connection") if connection_id is not None else None
    with context.read() as session:
        found = issues.counts(session, since=since, connection=named)
    return [
        MessageIssueCount(
            day=one.day,
            connection_id=strawberry.ID(one.connection_id),
            connection_name=one.connection,
            kind=one.kind,
            code=one.code,
            count=one.count,
        )
        for one in found
    ]


def _message_keys(info: strawberry.Info[Context, None], patient: str) -> list[str]:
    context = info.context
    if DataClass.PHI not in context.scope.classes:
        raise Forbidden("This credential may not look for patients.")
    found = read_global_id(patient)
    named = found[1] if found is not None and found[0] == "Patient" else patient
    with context.read() as session:
        return message_service.patient_keys(session, context.crypto, named)


@strawberry.type
class Query:
    message_issue_counts: list[MessageIssueCount] = strawberry.field(
        resolver=_issue_counts,
        description="What went wrong with messages since a moment, newest day first. For the MSO.",
    )
    message_keys: list[str] = strawberry.field(
        resolver=_message_keys,
        description="The keys of a patient's messages, for the filters `patientKey` and "
        "`priorPatientKey` of `inboundMessages`. `patient` is a Patient's id or a record number "
        "as sent.",
    )


def replay(call: Call) -> Payload:
    """Read the messages named, or those that `where` finds, again."""
    ids, where = call.input.get("messageIds"), call.input.get("where")
    limit = MOST_MESSAGES if call.input.get("limit") is None else call.input["limit"]
    _check_reason(call)
    if (ids is None) == (where is None):
        raise Rejected("Name `messageIds` or say `where`.", path="messageIds")
    if ids is None:
        if not 1 <= limit <= MOST_MESSAGES:
            raise Rejected(f"`limit` must be between 1 and {MOST_MESSAGES}.", path="limit")
        chosen = message_service.replayable(call.session, call.context.crypto, _wanted(where))
    else:
        _check_count(ids)
        chosen = [row_id(item, "InboundMessage") for item in ids]
    count = intake.replay(call.session, inbox_ids=chosen[:limit], now=call.now)
    return {"replayedCount": count, "foundCount": len(chosen)}


def resend(call: Call) -> Payload:
    """Send parked messages again."""
    ids = call.input["messageIds"]
    _check_reason(call)
    _check_count(ids)
    outbound_ids = [row_id(item, "OutboundMessage") for item in ids]
    return {"resentCount": outbound.resend(call.session, outbound_ids, now=call.now)}


def send_appointment(call: Call) -> Payload:
    """Tell another system of an appointment."""
    appointment = row_id(call.input["appointmentId"], "Appointment")
    return _tell(call, appointment_notices.request, appointment)


def send_order(call: Call) -> Payload:
    """Tell another system of a clinical order."""
    return _tell(call, order_notices.request, row_id(call.input["orderId"], "ClinicalOrder"))


def _tell(call: Call, request: Callable[..., int], subject_id: str) -> Payload:
    job_id = request(
        call.session,
        subject_id,
        destination=row_id(call.input["destinationId"], "Connection"),
        is_new=bool(call.input.get("isNew")),
        now=call.now,
    )
    return {"job": str(job_id)}


def _wanted(where: object) -> Wanted:
    given = {name: value for name, value in dict(where).items() if value is not None}  # type: ignore[call-overload]
    if not given:
        raise Rejected("`where` names at least one condition.", path="where")
    connection = given.get("connectionId")
    return Wanted(
        state=given.get("state"),
        connection=row_id(connection, "Connection") if connection is not None else None,
        message_type=given.get("messageType"),
        control_id=given.get("controlId"),
        fault_code=given.get("faultCode"),
        patient_key=given.get("patientKey"),
        sending_application=given.get("sendingApplication"),
        sending_facility=given.get("sendingFacility"),
        since=given.get("since"),
        until=given.get("until"),
    )


def _check_reason(call: Call) -> None:
    if not 1 <= len(call.input["reason"].strip()) <= LONGEST_REASON:
        raise Rejected(f"A reason has 1 to {LONGEST_REASON} characters.", path="reason")


def _check_count(ids: object) -> None:
    if not isinstance(ids, list) or not 1 <= len(ids) <= MOST_MESSAGES:
        raise Rejected(f"Name 1 to {MOST_MESSAGES} messages.", path="messageIds")
