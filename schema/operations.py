"""Connections, sync runs, inbound messages, jobs and the audit trail: how the hub itself is doing.

No field here shows raw bytes, configuration, secrets, headers or a job's arguments.
"""

from __future__ import annotations

from hub.domain.agreements import DataClass
from hub.domain.jobs import JobState
from hub.storage import tables
from hub.storage.reads.parts import Access
from schema.mapping.declare import EQ, RANGE, batch, col, enum, live, many, one, stored

OPERATIONAL = DataClass.OPERATIONAL

connection = stored(
    "Connection",
    table=tables.Connection,
    access=Access.OPERATED,
    root="connections",
    help="One configured use of a connector; a feed shared by practices belongs to none.",
    fields={
        "name": col(OPERATIONAL),
        "connectorId": col(OPERATIONAL),
        "status": col(OPERATIONAL),
        "statusReason": col(OPERATIONAL),
        "paused": col(OPERATIONAL),
        "retryAt": col(OPERATIONAL),
        "createdAt": col(OPERATIONAL),
    },
    links={
        "practice": one("Practice", "practice_id"),
        "syncRuns": many("SyncRun", "connection_id", order="-startedAt"),
        "checks": many("ConnectionCheck", "connection_id", order="-checkedAt"),
        "inboundMessages": many("InboundMessage", "connection_id", order="-receivedAt"),
        "outboundMessages": many("OutboundMessage", "connection_id", order="-queuedAt"),
    },
    computed={
        "health": live(
            "connection.health",
            OPERATIONAL,
            needs=("id",),
            returns="str | None",
            help="Asked now, by safe requests only: ok, or what is wrong.",
        ),
    },
    filters={"connectorId": EQ, "status": EQ},
)

export = stored(
    "Export",
    table=tables.Export,
    access=Access.OPERATED,
    root="exports",
    order="-createdAt",
    help="A bulk export of one list; kept for a week, downloaded once by who asked for it.",
    fields={
        "state": enum(OPERATIONAL, "ExportState", ("running", "ready", "failed", "downloaded")),
        "format": enum(OPERATIONAL, "ExportFormat", ("jsonl",)),
        "purpose": col(OPERATIONAL),
        "chunks": col(OPERATIONAL),
        "rows": col(OPERATIONAL),
        "sha256": col(OPERATIONAL, "digest", help="Of all lines as downloaded, hex."),
        "createdAt": col(OPERATIONAL),
        "finishedAt": col(OPERATIONAL),
        "downloadedAt": col(OPERATIONAL),
    },
    links={"practice": one("Practice", "practice_id")},
    filters={"state": EQ, "createdAt": RANGE},
    orders={"createdAt": ("created_at",)},
)

connection_check = stored(
    "ConnectionCheck",
    table=tables.ConnectionCheck,
    access=Access.OPERATED,
    root="connectionChecks",
    order="-checkedAt",
    help="One check of a connection by safe requests only; kept for 30 days.",
    fields={
        "ok": col(OPERATIONAL, help="True if every probe was well."),
        "checkedAt": col(OPERATIONAL),
    },
    links={
        "connection": one("Connection", "connection_id"),
        "job": one("Job", "job_id", help="Null once the finished job is deleted."),
        "probes": many("ConnectionProbe", "check_id", order="position"),
    },
    filters={"connection": EQ, "ok": EQ, "checkedAt": RANGE},
    orders={"checkedAt": ("checked_at",)},
)

connection_probe = stored(
    "ConnectionProbe",
    table=tables.ConnectionProbe,
    access=Access.OPERATED,
    node=False,
    order="position",
    help="One finding of a check.",
    fields={
        "name": col(OPERATIONAL),
        "ok": col(OPERATIONAL),
        "error": col(OPERATIONAL, help="What is wrong; empty where all is well."),
        "hint": col(OPERATIONAL, help="What to do about it."),
        "milliseconds": col(OPERATIONAL),
    },
    orders={"position": ("position",)},
)

sync_run = stored(
    "SyncRun",
    table=tables.SyncRun,
    access=Access.MSO,
    root="syncRuns",
    order="-startedAt",
    help="One run of one stream of one connection and what it did.",
    fields={
        "stream": col(OPERATIONAL),
        "state": col(OPERATIONAL),
        "pages": col(OPERATIONAL),
        "read": col(OPERATIONAL),
        "created": col(OPERATIONAL),
        "changed": col(OPERATIONAL),
        "unchanged": col(OPERATIONAL),
        "rejected": col(OPERATIONAL),
        "faultCode": col(OPERATIONAL),
        "faultText": col(OPERATIONAL),
        "startedAt": col(OPERATIONAL),
        "finishedAt": col(OPERATIONAL),
    },
    links={"connection": one("Connection", "connection_id")},
    filters={"connection": EQ, "stream": EQ, "state": EQ, "startedAt": RANGE},
    orders={"startedAt": ("started_at",)},
    measures=("read", "created", "changed", "unchanged", "rejected"),
)

inbound_message = stored(
    "InboundMessage",
    table=tables.InboundMessage,
    access=Access.OPERATED,
    root="inboundMessages",
    order="-receivedAt",
    help="Bytes as they arrived, stored before they were acknowledged; see `messageContent`.",
    fields={
        "kind": col(OPERATIONAL),
        "messageType": col(OPERATIONAL),
        "controlId": col(OPERATIONAL, help="MSH-10, or the event's id."),
        "patientKey": col(
            OPERATIONAL, help="Stands for the patient's record number; see `messageKeys`."
        ),
        "priorPatientKey": col(OPERATIONAL, help="Of the record a merge ends."),
        "size": col(OPERATIONAL, help="Bytes."),
        "contentType": col(OPERATIONAL),
        "state": enum(
            OPERATIONAL,
            "InboundMessageState",
            ("received", "processed", "ignored", "quarantined", "refused", "expired"),
        ),
        "faultCode": col(OPERATIONAL),
        "faultPath": col(OPERATIONAL),
        "faultText": col(OPERATIONAL),
        "issueCount": col(OPERATIONAL),
        "duplicates": col(OPERATIONAL),
        "receivedAt": col(OPERATIONAL),
        "processedAt": col(OPERATIONAL),
    },
    links={
        "practice": one("Practice", "practice_id"),
        "connection": one("Connection", "connection_id"),
        "issues": many(
            "MessageIssue",
            "inbox_id",
            order="recordedAt",
            help="Of its last reading; of one refused at the door, its faults but the first.",
        ),
    },
    filters={
        "practice": EQ,
        "connection": EQ,
        "kind": EQ,
        "state": EQ,
        "messageType": EQ,
        "controlId": EQ,
        "faultCode": EQ,
        "patientKey": EQ,
        "priorPatientKey": EQ,
        "receivedAt": RANGE,
    },
    orders={"receivedAt": ("received_at",)},
    measures=("size", "issueCount", "duplicates"),
)

message_issue = stored(
    "MessageIssue",
    table=tables.DataIssue,
    access=Access.OPERATED,
    node=False,
    order="recordedAt",
    help="Something in a message that was not understood; a place and a rule, never a value.",
    fields={
        "code": col(OPERATIONAL),
        "path": col(
            OPERATIONAL, help="Where, as in PID-7; several places are separated by commas."
        ),
        "text": col(OPERATIONAL),
        "recordedAt": col(OPERATIONAL),
    },
    orders={"recordedAt": ("recorded_at",)},
)

outbound_message = stored(
    "OutboundMessage",
    table=tables.OutboundMessage,
    access=Access.OPERATED,
    root="outboundMessages",
    order="-queuedAt",
    help="A message to another system, sent unchanged until an answer settles it; the bytes are "
    "not shown.",
    fields={
        "messageType": col(OPERATIONAL),
        "controlId": col(OPERATIONAL, help="MSH-10, the same on every attempt."),
        "size": col(OPERATIONAL, help="Bytes."),
        "state": enum(
            OPERATIONAL, "OutboundMessageState", ("queued", "accepted", "parked", "expired")
        ),
        "attempts": col(OPERATIONAL, help="How often it was sent."),
        "answerCode": col(OPERATIONAL, help="MSA-1 of the last answer; empty if none came."),
        "faultCode": col(OPERATIONAL),
        "faultPath": col(OPERATIONAL),
        "faultText": col(OPERATIONAL),
        "queuedAt": col(OPERATIONAL),
        "answeredAt": col(OPERATIONAL),
    },
    links={
        "practice": one("Practice", "practice_id"),
        "destination": one("Connection", "connection_id"),
        "forwardedFrom": one("InboundMessage", "inbox_id", help="Null if the hub wrote it."),
    },
    filters={
        "practice": EQ,
        "destination": EQ,
        "state": EQ,
        "messageType": EQ,
        "controlId": EQ,
        "queuedAt": RANGE,
    },
    orders={"queuedAt": ("queued_at",)},
    measures=("size", "attempts"),
)

job = stored(
    "Job",
    table=tables.JobRow,
    access=Access.OPERATED,
    root="jobs",
    order="-createdAt",
    help="A job: written in the transaction that made it necessary, finished with its effects.",
    fields={
        "kind": col(OPERATIONAL),
        "queue": col(OPERATIONAL),
        "state": enum(OPERATIONAL, "JobState", tuple(state.value for state in JobState)),
        "attempt": col(OPERATIONAL),
        "maxAttempts": col(OPERATIONAL),
        "runAt": col(OPERATIONAL),
        "errorCode": col(OPERATIONAL),
        "errorText": col(OPERATIONAL),
        "createdAt": col(OPERATIONAL),
        "doneAt": col(OPERATIONAL),
    },
    computed={
        "progress": batch(
            lambda rows, _: [row["progress"] for row in rows],
            OPERATIONAL,
            needs=("progress",),
            returns="JSON | None",
            help="Counts that say how far it is; for a solve its phase (1 to 5), seconds, the best "
            "plan and the bound in millionths of the first plan's cost, and the gap between them.",
        ),
    },
    links={"practice": one("Practice", "practice_id")},
    filters={"practice": EQ, "kind": EQ, "state": EQ, "createdAt": RANGE},
    orders={"createdAt": ("created_at",)},
)

audit_event = stored(
    "AuditEvent",
    table=tables.AuditEvent,
    access=Access.MSO,
    root="auditEvents",
    order="-recordedAt",
    help="Who did what to which kind of data, for which purpose; no values.",
    fields={
        "recordedAt": col(OPERATIONAL),
        "principalId": col(OPERATIONAL),
        "principalName": col(OPERATIONAL),
        "purpose": col(OPERATIONAL),
        "action": col(OPERATIONAL),
        "outcome": col(OPERATIONAL),
        "operation": col(OPERATIONAL),
        "practiceIds": col(OPERATIONAL),
        "reason": col(OPERATIONAL),
        "digest": col(OPERATIONAL, help="Of this event and all before it."),
    },
    filters={"principalId": EQ, "action": EQ, "outcome": EQ, "recordedAt": RANGE},
    orders={"recordedAt": ("recorded_at",)},
)
