"""How a mutation is declared: one input, a payload that names stored rows, and the use case it
runs.

The types (`<Verb>Input`, `<Verb>Payload`, `<Verb>Result`) and the idempotency key come from the
declaration. The payload is read by the same planner as every query, after the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol, Union

import strawberry
from graphql import GraphQLSchema
from strawberry.types.field import StrawberryField

from hub.domain.agreements import Scope
from hub.errors import NotFound
from hub.storage.reads.write import read_global_id
from hub.storage.session import ScopedSession
from schema import common
from schema.context import Context
from schema.mapping.declare import Stored
from schema.mapping.types import TypeMaker

Payload = dict[str, Any]
COMMON_INPUTS = {
    "idempotencyKey": (
        "str | None",
        "1 to 64 characters. The same key with the same input has one effect and one answer for 30 "
        "days; with another input it is a CONFLICT.",
    ),
    "validateOnly": (
        "bool | None",
        "Do everything, answer, and keep nothing of it: rows named in the answer do not exist.",
    ),
}


class Schema(Protocol):
    """What a use case that plans a document needs of the schema."""

    @property
    def declared(self) -> Mapping[str, Stored]: ...
    def schema_for(self, scope: Scope) -> GraphQLSchema: ...


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a mutation inside its transaction; `input` as coerced, enums by their words,
    without the key. `schema` is the whole hub's, `prepared` what the mutation prepared."""

    session: ScopedSession
    context: Context
    schema: Schema
    input: Mapping[str, Any]
    now: datetime
    prepared: Any = None


@dataclass(frozen=True, slots=True)
class Mutation:
    """`inputs` are field → annotation; `payload` is field → declared type (the use case returns the
    row's id) or a scalar's annotation (it returns the value). `reason` names the input that holds
    the operator's reason, which the audit trail keeps. `sealed`: the payload holds a secret shown
    once, so that it is stored encrypted under its idempotency key. `right` is what the credential
    must have been given. `dry_run` False: `validateOnly` is refused, as its answer would tell what
    is hidden and leave nothing in the audit trail. `prepare` does before the transaction what takes
    its time and writes nothing; the use case asks again whatever decides rights."""

    name: str
    inputs: Mapping[str, str]
    payload: Mapping[str, str]
    run: Callable[[Call], Payload]
    mso_only: bool = False
    right: Literal["write", "approve", "export", "break_glass"] = "write"
    reason: str = ""
    sealed: bool = False
    dry_run: bool = True
    prepare: Callable[[Context, Mapping[str, Any]], Any] | None = None
    help: str = ""

    @property
    def type_name(self) -> str:
        return self.name[0].upper() + self.name[1:]


def row_id(global_id: str, type_name: str) -> str:
    """The row id in a global id. Raises NotFound if it is malformed or of another type."""
    found = read_global_id(global_id)
    if found is None or found[0] != type_name:
        raise NotFound(sought=global_id)
    return found[1]


def make_mutations(
    maker: TypeMaker,
    mutations: Sequence[Mutation],
    inputs: Mapping[str, Mapping[str, str]],
    enums: Mapping[str, Sequence[str]],
) -> type:
    """The Mutation type; `inputs` and `enums` are further types that inputs and payloads name."""
    for name, values in enums.items():
        maker.enum(name, {value: value for value in values})
    maker.names["UserErrors"] = common.UserErrors
    for name, fields in inputs.items():
        maker.make(name, [maker.field(n, a) for n, a in fields.items()], is_input=True)
    roots: list[StrawberryField] = [_root(maker, mutation) for mutation in mutations]
    return maker.make("Mutation", roots)


def _root(maker: TypeMaker, mutation: Mutation) -> StrawberryField:
    name = mutation.type_name
    inputs = [maker.field(n, a) for n, a in mutation.inputs.items()]
    inputs += [maker.field(n, a, help) for n, (a, help) in COMMON_INPUTS.items()]
    maker.make(f"{name}Input", inputs, is_input=True)
    payload = maker.make(
        f"{name}Payload",
        [
            maker.field(n, f"{a} | None" if a in maker.declared else a)
            for n, a in mutation.payload.items()
        ],
    )
    maker.names[f"{name}Result"] = Annotated[
        Union[payload, common.UserErrors],  # noqa: UP007 - built at run time
        strawberry.union(f"{name}Result"),
    ]
    argument = maker.argument("input", f"{name}Input")
    return maker.field(mutation.name, f"{name}Result", mutation.help, [argument])
