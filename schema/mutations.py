"""The mutations: each names its input, its payload and the use case of `hub/services` it runs."""

from __future__ import annotations

from hub.auth.documents import find_document
from hub.domain.agreements import Principal, PrincipalKind, Purpose
from hub.errors import Forbidden, NotFound, Rejected
from hub.services import (
    cancellation,
    checks,
    connections,
    eligibility,
    exports,
    sync,
)
from hub.storage.tables import Connection
from schema import (
    bid_mutations,
    connection_mutations,
    consents,
    emergencies,
    exporting,
    job_mutations,
    message_copies,
    messages,
    receiving_mutations,
    requisition_mutations,
    round_mutations,
    round_terms_mutations,
    savings_mutations,
    scenario_mutations,
)
from schema.calls import object_of
from schema.context import Context
from schema.mapping.mutate import Call, Mutation, Payload, row_id

LONGEST_NAME = 200


def _check_eligibility(call: Call) -> Payload:
    check_id = eligibility.request_check(
        call.session,
        call.context.crypto,
        appointment_id=row_id(call.input["appointmentId"], "Appointment"),
        now=call.now,
    )
    return {"check": check_id}


def _cancel_order(call: Call) -> Payload:
    if len(call.input.get("reason") or "") > LONGEST_NAME:
        raise Rejected(f"A reason has at most {LONGEST_NAME} characters.", path="reason")
    order_id = row_id(call.input["orderId"], "PurchaseOrder")
    _, outcome = cancellation.cancel_order(
        call.session, order_id=order_id, by=call.context.principal.name, now=call.now
    )
    return {"order": order_id, "outcome": outcome.value}


def _sync_connection(call: Call) -> Payload:
    connection_id = _connection(call)
    sources = [
        entry["id"] for entry in call.context.connectors if "source" in entry["capabilities"]
    ]
    job_id = sync.request_sync(
        call.session, connection_id=connection_id, sources=sources, now=call.now
    )
    return {"connection": connection_id, "job": str(job_id)}


def _test_connection(call: Call) -> Payload:
    connection_id = _connection(call)
    job_id = checks.request_check(call.session, connection_id=connection_id, now=call.now)
    return {"connection": connection_id, "job": str(job_id)}


def _pause_connection(call: Call) -> Payload:
    connection_id = _connection(call)
    return {
        "connection": connection_id,
        "changed": connections.pause(call.session, connection_id),
    }


def _resume_connection(call: Call) -> Payload:
    connection_id = _connection(call)
    changed = connections.resume(call.session, connection_id, now=call.now)
    return {"connection": connection_id, "changed": changed}


def _connection(call: Call) -> str:
    """The connection a mutation names: any of the MSO's, a practice's own."""
    connection_id = row_id(call.input["connectionId"], "Connection")
    connection = call.session.get(Connection, connection_id)
    scope = call.context.scope
    if connection is None or not (scope.is_mso or connection.practice_id == scope.own_practice_id):
        raise NotFound(sought=connection_id)
    return connection_id


def _start_export(call: Call) -> Payload:
    context, given = call.context, call.input
    text, purpose = _document(call)
    variables = object_of(given, "variables")
    exporting.check(call.schema, context, text, given.get("operationName"), variables)
    started = exports.start(
        call.session,
        context.crypto,
        client_id=context.principal.id,
        practice_id=context.principal.practice_id,
        purpose=purpose,
        query=text,
        operation_name=given.get("operationName"),
        variables=variables,
        now=call.now,
    )
    return {
        "export": started.export_id,
        "job": str(started.job_id),
        "downloadPath": f"/exports/{started.token}",
    }


def _document(call: Call) -> tuple[str, Purpose]:
    """The document to export and for which purpose: a stored one's own, else the request's."""
    text, document_id = call.input.get("query"), call.input.get("documentId")
    if (text is None) == (document_id is None):
        raise Rejected("Name a `documentId` or send a `query`.", path="query")
    if document_id is None:
        if not call.context.own_documents:
            raise Forbidden("This credential runs stored documents only; name a `documentId`.")
        return str(text), call.context.scope.purpose
    digest = str(document_id).removeprefix("sha256:")
    found = find_document(call.session, call.context.principal.id, digest)
    return found.text, Purpose(found.purpose)


_LACKING = {
    "write": "This credential only reads; create one with `--allow write`.",
    "approve": "This credential may not approve; create one with `--allow approve`.",
    "export": "This credential may not export; create one with `--export`.",
    "break_glass": "This credential may not open records in an emergency; create one with "
    "`--allow break_glass`.",
}


def check_rights(context: Context, mutation: Mutation) -> None:
    """Raises Forbidden unless the credential was given the right, and is the MSO's where only its
    apps may call."""
    if refusal := _refusal(context.principal, mutation):
        raise Forbidden(refusal)


def may_call(principal: Principal, name: str) -> bool:
    """Whether a credential has the right to a mutation, as `check_rights` will find."""
    return not _refusal(principal, _BY_NAME[name])


def _refusal(principal: Principal, mutation: Mutation) -> str:
    """Why a credential may not call a mutation; empty if it may."""
    if mutation.mso_only and principal.kind is not PrincipalKind.MSO_APP:
        return "Only the MSO's own apps may do this."
    return "" if getattr(principal, mutation.right) else _LACKING[mutation.right]


INPUTS = {
    **messages.INPUTS,
    **requisition_mutations.INPUTS,
    **bid_mutations.INPUTS,
    **scenario_mutations.INPUTS,
    **round_terms_mutations.INPUTS,
    **receiving_mutations.INPUTS,
    **connection_mutations.INPUTS,
}
ENUMS = {"CancellationOutcome": [outcome.value for outcome in cancellation.Cancellation]}

MUTATIONS: tuple[Mutation, ...] = (
    Mutation(
        "checkEligibility",
        {"appointmentId": "ID"},
        {"check": "EligibilityCheck"},
        _check_eligibility,
        help="Ask the payer about an appointment's patient now; joins an open question.",
    ),
    Mutation(
        "cancelPurchaseOrder",
        {"orderId": "ID", "reason": "str | None"},
        {"order": "PurchaseOrder", "outcome": "CancellationOutcome"},
        _cancel_order,
        reason="reason",
        help="Cancel an order before it is sent. Once a supplier may hold it the outcome is "
        "REQUESTED: the hub records the wish and sends nothing, a person tells the supplier, and "
        "the order is cancelled when the supplier's documents say so. The reason is audited.",
    ),
    *connection_mutations.MUTATIONS,
    Mutation(
        "testConnection",
        {"connectionId": "ID"},
        {"connection": "Connection", "job": "Job"},
        _test_connection,
        help="Check a connection with safe requests only; the report is the newest of its "
        "`checks` once the job is done.",
    ),
    Mutation(
        "pauseConnection",
        {"connectionId": "ID"},
        {"connection": "Connection", "changed": "bool"},
        _pause_connection,
        help="Hold a connection: what arrives is stored and waits, nothing is fetched or sent.",
    ),
    Mutation(
        "resumeConnection",
        {"connectionId": "ID"},
        {"connection": "Connection", "changed": "bool"},
        _resume_connection,
        help="Go on with a paused connection; what waited is read in the order it came.",
    ),
    Mutation(
        "syncConnection",
        {"connectionId": "ID"},
        {"connection": "Connection", "job": "Job"},
        _sync_connection,
        help="Read everything new from a vendor now.",
    ),
    *job_mutations.MUTATIONS,
    Mutation(
        "startExport",
        {
            "query": "str | None",
            "documentId": "ID | None",
            "operationName": "str | None",
            "variables": "JSON | None",
            "format": "ExportFormat | None",
        },
        {"export": "Export", "job": "Job", "downloadPath": "str"},
        _start_export,
        right="export",
        sealed=True,
        help="Export a whole list: a query that selects `nodes` of one root, without `first`. Each "
        "chunk is read under the rights of its moment. GET the path once with this credential when "
        "the export is READY; the path is not shown again.",
    ),
    Mutation(
        "replayMessages",
        {
            "messageIds": "list[ID] | None",
            "where": "ReplayWhereInput | None",
            "limit": "int | None",
            "reason": "str",
        },
        {"replayedCount": "int", "foundCount": "int"},
        messages.replay,
        mso_only=True,
        reason="reason",
        help="Read stored messages again in the order they came: those named, or at most `limit` "
        "(1000) of those that `where` finds. `validateOnly` counts them first. The reason is "
        "audited, so it names no patient.",
    ),
    Mutation(
        "sendAppointment",
        {"appointmentId": "ID", "destinationId": "ID", "isNew": "bool | None"},
        {"job": "Job"},
        messages.send_appointment,
        mso_only=True,
        help="Tell another system of an appointment as it stands now (SIU): as a new one if "
        "`isNew`, else as a change; a cancellation is told as such.",
    ),
    Mutation(
        "sendOrder",
        {"orderId": "ID", "destinationId": "ID", "isNew": "bool | None"},
        {"job": "Job"},
        messages.send_order,
        mso_only=True,
        help="Tell another system of a clinical order as it stands now (OML^O21): as a new one if "
        "`isNew`, else as a change; one cancelled, discontinued or on hold is told as such.",
    ),
    Mutation(
        "resendMessages",
        {"messageIds": "list[ID]", "reason": "str"},
        {"resentCount": "int"},
        messages.resend,
        mso_only=True,
        reason="reason",
        help="Send parked messages again, with the same bytes, before whatever was queued later.",
    ),
    *message_copies.MUTATIONS,
    *emergencies.MUTATIONS,
    *consents.MUTATIONS,
    *requisition_mutations.MUTATIONS,
    *round_mutations.MUTATIONS,
    *round_terms_mutations.MUTATIONS,
    *bid_mutations.MUTATIONS,
    *scenario_mutations.MUTATIONS,
    *receiving_mutations.MUTATIONS,
    *savings_mutations.MUTATIONS,
)
_BY_NAME = {mutation.name: mutation for mutation in MUTATIONS}
