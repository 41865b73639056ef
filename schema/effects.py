"""Runs one mutation: the use case in a transaction, the payload by plan, failures as data.

A key makes the effect happen once: its row is claimed before the effect and holds the outcome
after it. A dry run does everything in a transaction that is then rolled back, the payload read
inside it, so that nothing is kept and no job leaves.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import orjson
from graphql import FieldNode
from sqlalchemy.exc import IntegrityError

from hub.errors import Conflict, NotFound, Rejected
from hub.storage.crypto import Crypto
from hub.storage.reads.run import Reader, Reading
from hub.storage.session import ScopedSession
from hub.storage.tables import MutationOutcome
from hub.storage.upsert import insert_once
from schema.context import Context
from schema.mapping.mutate import Call, Mutation, Payload
from schema.mapping.operation import Operation
from schema.mapping.plan import Planner
from schema.mapping.values import place_of, words
from schema.mutations import check_rights
from schema.root import HubSchema

LONGEST_KEY = 64
Json = dict[str, Any]
Expected = Rejected | Conflict | NotFound


class Run(Protocol):
    """What a mutation needs of the operation it is part of."""

    schema: HubSchema
    context: Context
    operation: Operation

    @property
    def planner(self) -> Planner: ...

    def read_payload(self, parts: Mapping[str, Any]) -> Json: ...
    def note_reading(self, reading: Reading) -> None: ...
    def append(self, session: ScopedSession, action: str, outcome: str, **facts: Any) -> None: ...


class _Undone(Exception):
    """Carries the payload of a dry run out of the transaction that it rolls back."""

    def __init__(self, written: Json, reading: Reading) -> None:
        super().__init__()
        self.written = written
        self.reading = reading


def mutate(run: Run, nodes: Sequence[FieldNode]) -> Json:
    """The result of one root field of Mutation. Raises Forbidden; expected failures are data."""
    root_type = run.operation.root_type.name
    given = words(run.operation.arguments(root_type, nodes[0])["input"])
    effect = _Effect(run, run.schema.mutations[nodes[0].name.value], given)
    plan = _PayloadPlan(run, effect.mutation, nodes)
    try:
        if effect.dry:
            return effect.tried(plan)
        payload = effect.done()
    except (Rejected, Conflict, NotFound) as error:
        return plan.errors(error, given)
    return plan.payload(payload)


class _Effect:
    def __init__(self, run: Run, mutation: Mutation, given: dict[str, Any]) -> None:
        self.mutation = mutation
        self.key = given.pop("idempotencyKey", None)
        self.dry = bool(given.pop("validateOnly", None))
        self._run = run
        self._context = run.context
        self._given = given
        self._now = run.context.now()
        self._prepared: Any = None
        self._failure: Expected | None = None

    def done(self) -> Payload:
        """Run the use case, once per key, and keep it."""
        if self.key is not None and not 1 <= len(self.key) <= LONGEST_KEY:
            raise Rejected(f"A key has 1 to {LONGEST_KEY} characters.", path="idempotencyKey")
        self._prepare()
        for attempt in range(2):
            try:
                return self._context.database.transaction(self._context.scope, self._once)
            except IntegrityError:
                # Perhaps the same key at the same moment: by now its outcome is stored.
                if self.key is None or attempt:
                    break
        raise Conflict("Something else changed it meanwhile; read it again.")

    def tried(self, plan: _PayloadPlan) -> Json:
        """Run the use case and read its payload, and keep nothing of it."""
        check_rights(self._context, self.mutation)
        if not self.mutation.dry_run:
            raise Rejected("There is no dry run of this.", path="validateOnly")
        self._prepare()

        def work(session: ScopedSession) -> None:
            payload = self._perform(session)
            session.flush()
            reader, values = Reader(session, self._now), self._run.planner.values
            written = plan.written(
                payload,
                lambda parts: {key: reader.root(part, values()) for key, part in parts.items()},
            )
            raise _Undone(written, reader.reading)

        try:
            self._context.database.transaction(self._context.scope, work)
        except _Undone as undone:
            self._run.note_reading(undone.reading)
            return undone.written
        except IntegrityError:
            pass
        raise Conflict("Something else changed it meanwhile; read it again.")

    def _prepare(self) -> None:
        """What fails here fails the effect, but not a key whose outcome is kept."""
        if self.mutation.prepare is None:
            return
        check_rights(self._context, self.mutation)
        try:
            self._prepared = self.mutation.prepare(self._context, self._given)
        except (Rejected, Conflict, NotFound) as error:
            self._failure = error

    def _perform(self, session: ScopedSession) -> Payload:
        check_rights(self._context, self.mutation)
        if self._failure is not None:
            raise self._failure
        call = Call(
            session, self._context, self._run.schema, self._given, self._now, self._prepared
        )
        return self.mutation.run(call)

    def _once(self, session: ScopedSession) -> Payload:
        check_rights(self._context, self.mutation)  # before a kept outcome is told again
        stored = self._claim(session)
        if stored is not None and stored.outcome:
            return unsealed(self._context.crypto, stored)
        payload = self._perform(session)
        if stored is not None:
            sealing = self.mutation.sealed
            stored.outcome = sealed(self._context.crypto, stored, payload) if sealing else payload
            session.flush()
        stated = str(self._given.get(self.mutation.reason) or "").strip()
        name = self.mutation.name
        reason = f"{name}: {stated}" if stated else name
        self._run.append(session, "write", "success", reason=reason)
        return payload

    def _claim(self, session: ScopedSession) -> MutationOutcome | None:
        """The row of an idempotency key, its outcome empty until the effect is done.

        Inserted before the effect: a request with the same key at the same moment waits for it.
        """
        if self.key is None:
            return None
        crypto = self._context.crypto
        digest = crypto.digest(orjson.dumps(self._given, default=str, option=orjson.OPT_SORT_KEYS))
        identity = {
            "principal_id": self._context.principal.id,
            "mutation": self.mutation.name,
            "key": self.key,
        }
        day = self._now.date()
        fresh = {**identity, "request_digest": digest, "outcome": {}, "recorded_on": day}
        insert_once(session, MutationOutcome, fresh)
        row = session.get_one(MutationOutcome, tuple(identity.values()))
        if row.request_digest != digest:
            raise Conflict("The idempotency key was used for another request.")
        return row


def _field(error: Expected, given: Json) -> str | None:
    """The input field an expected failure is about; where something was not found, the one that
    holds its id."""
    if isinstance(error, NotFound):
        return place_of(error.sought, given)
    return (error.path or None) if isinstance(error, Rejected) else None


def sealed(crypto: Crypto, row: MutationOutcome, payload: Payload) -> Payload:
    """A payload that holds a secret shown once, as it is stored: encrypted, bound to its key."""
    return {
        "sealed": base64.b64encode(crypto.encrypt(orjson.dumps(payload), _identity(row))).decode()
    }


def unsealed(crypto: Crypto, row: MutationOutcome) -> Payload:
    """The stored payload as it was returned the first time."""
    if set(row.outcome) != {"sealed"}:
        return dict(row.outcome)
    plain = crypto.decrypt(base64.b64decode(row.outcome["sealed"]), _identity(row))
    found: Payload = orjson.loads(plain)
    return found


def _identity(row: MutationOutcome) -> str:
    return f"mutation_outcomes:outcome:{row.principal_id}:{row.mutation}:{row.key}"


class _PayloadPlan:
    """How a mutation's result is written; planned before the effect, so that a field that may not
    be read refuses the whole mutation."""

    def __init__(self, run: Run, mutation: Mutation, nodes: Sequence[FieldNode]) -> None:
        self._run = run
        self._mutation = mutation
        self._type = f"{mutation.type_name}Payload"
        self._selected = run.operation.below(self._type, nodes)
        self._nodes = nodes
        for name, type_name in self._stored().items():
            for selected in self._selected.values():
                if selected[0].name.value == name:
                    run.planner.by_id("", type_name, "", selected)

    def _stored(self) -> dict[str, str]:
        declared = self._run.schema.declared
        return {name: t for name, t in self._mutation.payload.items() if t in declared}

    def payload(self, values: Payload) -> Json:
        return self.written(values, self._run.read_payload)

    def written(self, values: Payload, read: Any) -> Json:
        """The payload's fields; `read` gives the stored ones from their parts."""
        stored = self._stored()
        parts, written = {}, {}
        for key, selected in self._selected.items():
            name = selected[0].name.value
            if name in stored:
                parts[key] = self._run.planner.by_id(key, stored[name], values[name], selected)
            else:
                written[key] = self._type if name == "__typename" else values[name]
        if parts:
            written |= read(parts)
        return {key: written[key] for key in self._selected}

    def errors(self, error: Expected, given: Json) -> Json:
        facts = {
            "code": error.code,
            "field": _field(error, given),
            "message": str(error),
        }
        return self._write("UserErrors", self._nodes, facts)

    def _write(self, type_name: str, nodes: Sequence[FieldNode], facts: Json) -> Json:
        written: Json = {}
        for key, selected in self._run.operation.below(type_name, nodes).items():
            name = selected[0].name.value
            if name == "__typename":
                written[key] = type_name
            elif name == "errors":
                written[key] = [self._write("UserError", selected, facts)]
            else:
                written[key] = facts[name]
        return written
