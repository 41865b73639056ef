"""Adding a connection, changing its settings, and what they are and were."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, cast

import strawberry
from strawberry.scalars import JSON

from hub.errors import Forbidden, NotFound, Rejected
from hub.services import connection_settings, connections
from hub.services.operators import stated_reason
from hub.storage.reads.write import global_id
from hub.storage.tables import Connection, new_id
from schema.calls import caller, object_of
from schema.common import DateTime
from schema.context import Context, PrepareConnection
from schema.mapping.mutate import Call, Mutation, Payload, row_id

LONGEST_NAME = 200
MOST_LINES = 1000
ENDPOINT_BYTES = 32


def _add(call: Call) -> Payload:
    given, prepare = call.input, _prepare(call)
    name = given["name"].strip()
    if not 1 <= len(name) <= LONGEST_NAME:
        raise Rejected(f"A name has 1 to {LONGEST_NAME} characters.", path="name")
    config, routing = object_of(given, "config"), object_of(given, "routing")
    practices, secrets_given = _practices(given), _secrets(given)
    connection_id = new_id()
    prepared = prepare(given["connectorId"], config, routing, secrets_given, connection_id)
    token = secrets.token_urlsafe(ENDPOINT_BYTES) if prepared.has_webhook else None
    connections.create(
        call.session,
        call.context.crypto,
        name=name,
        connector_id=given["connectorId"],
        config=prepared.config,
        now=call.now,
        connection_id=connection_id,
        practices=practices or {},
        routing=prepared.routing,
        secrets=secrets_given,
        endpoint_token=token,
    )
    path = f"/webhooks/{given['connectorId']}/{token}" if token else None
    return {"connection": connection_id, "webhookPath": path}


def _change(call: Call) -> Payload:
    given, prepare = call.input, _prepare(call)
    reason = stated_reason(given["reason"])
    connection_id = row_id(given["connectionId"], "Connection")
    row = call.session.get(Connection, connection_id, with_for_update=True)
    if row is None:
        raise NotFound(sought=connection_id)
    secrets_given = _secrets(given)
    prepared = prepare(
        row.connector_id,
        object_of(given, "config"),
        object_of(given, "routing"),
        secrets_given,
        row.id,
        before=row.config,
    )
    version = connection_settings.change(
        call.session,
        call.context.crypto,
        row,
        config=prepared.config,
        routing=prepared.routing,
        practices=_practices(given),
        secrets=secrets_given,
        moved=prepared.moved,
        by=caller(call),
        reason=reason,
        now=call.now,
    )
    return {"connection": row.id, "version": version}


def _prepare(call: Call) -> PrepareConnection:
    if call.context.prepare_connection is None:
        raise Rejected("This installation sets connections at the command line only.")
    named = [*(call.input.get("practices") or ()), *(call.input.get("secrets") or ())]
    if len(named) > MOST_LINES:
        raise Rejected(f"A connection has at most {MOST_LINES} practices and secrets.")
    return call.context.prepare_connection


def _practices(given: Mapping[str, Any]) -> dict[str, str] | None:
    """The other side's names for practices, with the ids of those; None if nothing is said."""
    listed = given.get("practices")
    if listed is None:
        return None
    return {item["code"]: row_id(item["practiceId"], "Practice") for item in listed}


def _secrets(given: Mapping[str, Any]) -> dict[str, str]:
    return {item["name"]: item["value"] for item in given.get("secrets") or ()}


@strawberry.type(description="What the other side calls a practice.")
class ConnectionPracticeCode:
    code: str
    practice_id: strawberry.ID


@strawberry.type(description="When a connection's settings changed, who changed them and why.")
class ConnectionSettingsVersion:
    version: int
    changed_by: str
    reason: str
    recorded_at: DateTime


@strawberry.type(description="What a connection is set to, in the form `changeConnection` takes.")
class ConnectionSettings:
    config: JSON = strawberry.field(description="References stand for secrets.")
    routing: JSON
    practices: list[ConnectionPracticeCode]
    versions: list[ConnectionSettingsVersion] = strawberry.field(
        description="Every version, the newest first; none of a connection never changed."
    )


def _shown(
    info: strawberry.Info[Context, None],
    connection_id: strawberry.ID,
    version: int | None = None,
) -> ConnectionSettings:
    context = info.context
    if not context.scope.is_mso or not context.principal.write:
        raise Forbidden("Only the MSO's own apps that may write see settings.")
    with context.read() as session:
        row = session.get(Connection, row_id(connection_id, "Connection"))
        if row is None:
            raise NotFound
        settings = connection_settings.current(session, row)
        if version is not None:
            settings = connection_settings.at_version(session, row, version)
        kept = connection_settings.versions(session, row.id)
    return ConnectionSettings(
        config=_json(settings.config),
        routing=_json(connection_settings.stated_routing(settings)),
        practices=[
            ConnectionPracticeCode(
                code=code, practice_id=strawberry.ID(global_id("Practice", practice))
            )
            for code, (practice, _) in settings.practices.items()
        ],
        versions=[
            ConnectionSettingsVersion(
                version=one.version,
                changed_by=one.changed_by,
                reason=one.reason,
                recorded_at=cast(DateTime, one.recorded_at),
            )
            for one in kept
        ],
    )


def _json(values: Mapping[str, Any]) -> JSON:
    return dict(values)  # type: ignore[return-value]


@strawberry.type
class Query:
    connection_settings: ConnectionSettings = strawberry.field(
        resolver=_shown,
        description="What a connection is set to, or was in a `version`. For the MSO's apps that "
        "may write.",
    )


_SETTINGS = {
    "config": "JSON",
    "routing": "JSON | None",
    "practices": "list[ConnectionPracticeInput] | None",
    "secrets": "list[ConnectionSecretInput] | None",
}
INPUTS = {
    "ConnectionPracticeInput": {"code": "str", "practiceId": "ID"},
    "ConnectionSecretInput": {"name": "str", "value": "str"},
}
MUTATIONS: tuple[Mutation, ...] = (
    Mutation(
        "addConnection",
        {"name": "str", "connectorId": "ID", **_SETTINGS},
        {"connection": "Connection", "webhookPath": "str | None"},
        _add,
        mso_only=True,
        sealed=True,
        help="Connect a vendor or a sender. `config` holds the connector's settings, without "
        "secrets: a secret named like a setting fills it. `practices` maps the other side's names "
        "to practices. `webhookPath` is shown once.",
    ),
    Mutation(
        "changeConnection",
        {"connectionId": "ID", **_SETTINGS, "reason": "str"},
        {"connection": "Connection", "version": "int | None"},
        _change,
        mso_only=True,
        reason="reason",
        help="Give a connection other settings, all of them; `connectionSettings` shows those it "
        "has. Earlier ones are kept as a version; `version` is the new one, null if nothing "
        "differs. Practices stay unless `practices` is given, and secrets unless named; where an "
        "address changes, those that would be sent there are given again. The reason is audited.",
    ),
)
