"""What somebody who is signed in asks: documents of the console, run by GraphQL under their rights.

There is no other way from a page to data. What a credential may not read does not exist in its
schema; a document is asked for without those fields, and the page shows the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, cast

import orjson
from graphql import (
    REMOVE,
    GraphQLSchema,
    Node,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    VariableNode,
    Visitor,
    parse,
    print_ast,
    visit,
)

from hub.auth.sessions import Session
from hub.domain.agreements import DataClass, PrincipalKind, scope_for
from hub.entrypoints.graphql_operations import Operations
from hub.entrypoints.graphql_request import Question
from hub.entrypoints.graphql_time import in_time
from hub.errors import HubError, NotFound, Rejected, Unauthenticated
from schema.mutations import may_call

Json = dict[str, Any]
_NAMED = re.compile(r"(?:query|mutation) (?P<name>\w+)")


class Refused(HubError):
    """GraphQL did not answer; the sentence is its own."""

    def __init__(self, message: str, status: int, error_id: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.error_id = error_id


@dataclass(frozen=True, slots=True)
class Desk:
    """Where one person works: their session, the forms' token, and the way to GraphQL."""

    session: Session
    token: str
    operations: Operations

    @property
    def is_mso(self) -> bool:
        return self.session.principal.kind is PrincipalKind.MSO_APP

    @property
    def reads_messages(self) -> bool:
        """Whether the credential has the class of data that messages hold."""
        return DataClass.PHI in self.session.principal.classes

    def now(self) -> datetime:
        return self.operations.hub.now()

    def may(self, mutation: str) -> bool:
        """Whether the credential has the right to a mutation; it is asked again when it runs."""
        return may_call(self.session.principal, mutation)

    def has(self, root: str) -> bool:
        """Whether there is such a root for the credential."""
        query = self._schema().query_type
        return query is not None and root in query.fields

    async def ask(self, document: str, **variables: Any) -> Json:
        """The data of a query, without what does not exist for the credential. Raises Refused, and
        Unauthenticated if the credential was revoked."""
        text = reduced(document, self._schema())
        return await self._run(text, variables) if text else {}

    async def node(self, document: str, row_id: str, **variables: Any) -> Json:
        """The one object that a query by id finds. Raises NotFound."""
        found = (await self.ask(document, id=row_id, **variables)).get("node")
        if not found:
            raise NotFound
        return dict(found)

    async def change(self, mutation: str, payload: str, **values: Any) -> Json:
        """Run a mutation; its payload. Raises Refused where it answers with errors."""
        kind = mutation[0].upper() + mutation[1:]
        document = (
            f"mutation console_{mutation}($input: {kind}Input!) {{ {mutation}(input: $input) {{ "
            f"__typename ... on {kind}Payload {{ {payload} }} "
            "... on UserErrors { errors { message } } } }"
        )
        answered = (await self._run(document, {"input": values}))[mutation]
        if answered["__typename"] == "UserErrors":
            raise Refused(" ".join(error["message"] for error in answered["errors"]), 409)
        return dict(answered)

    async def _run(self, text: str, variables: dict[str, Any]) -> Json:
        if b"\\u0000" in orjson.dumps(variables):
            raise Rejected("The character U+0000 stands in nothing that is stored; leave it out.")
        session, operations = self.session, self.operations
        named = _NAMED.match(text)
        question = Question(text, variables, named and named["name"], session.purpose.value)
        answer = await in_time(
            lambda running: operations.answer(question, session.asker, running),
            operations.hub.settings.graphql_seconds,
        )
        content: Json = orjson.loads(answer.body) if answer is not None else {}
        if content.get("data") is not None:
            return dict(content["data"])
        (error, *_) = content["errors"]
        told = error["extensions"]
        if told["code"] == Unauthenticated.code:
            raise Unauthenticated(error["message"])
        raise Refused(error["message"], answer.status if answer else 504, told["errorId"])

    def _schema(self) -> GraphQLSchema:
        """Which fields exist depends on the credential alone, not on agreements."""
        principal = self.session.principal
        scope = scope_for(principal, (), self.session.purpose, self.now())
        return self.operations.engine(principal).schema.schema_for(scope)


@lru_cache(maxsize=512)
def reduced(document: str, schema: GraphQLSchema) -> str:
    """A document without the fields that a schema does not have; empty if none is left."""
    info = TypeInfo(schema)
    left = visit(parse(document), TypeInfoVisitor(info, _WithoutUnknown(info)))
    operation = cast(OperationDefinitionNode, left.definitions[0])
    if not operation.selection_set.selections:
        return ""
    used = _Variables()
    visit(operation.selection_set, used)
    return print_ast(visit(left, _Only(used.names)))


class _WithoutUnknown(Visitor):
    """Takes out fields that do not exist, and what is empty without them."""

    def __init__(self, info: TypeInfo) -> None:
        super().__init__()
        self._info = info

    def enter_field(self, *_: Any) -> Any:
        return REMOVE if self._info.get_field_def() is None else None

    def leave_field(self, node: Any, *_: Any) -> Any:
        return REMOVE if _is_empty(node) else None

    def leave_inline_fragment(self, node: Any, *_: Any) -> Any:
        return REMOVE if _is_empty(node) else None


def _is_empty(node: Any) -> bool:
    return node.selection_set is not None and not node.selection_set.selections


class _Variables(Visitor):
    """Collects the names of variables."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        self.names.add(node.name.value)


class _Only(Visitor):
    """Takes out the definitions of variables that are not among the names."""

    def __init__(self, names: set[str]) -> None:
        super().__init__()
        self._names = names

    def enter_variable_definition(self, node: Any, *_: Node) -> Any:
        return None if node.variable.name.value in self._names else REMOVE
