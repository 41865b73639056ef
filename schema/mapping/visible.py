"""The schema as one credential sees it: what it may not read does not exist in it.

Fields of data classes that are not granted are left out, with their filters, orders and links, and
so are types that only the MSO reads. Validation and introspection work on this schema; the planner
asks for the class of every field again, as a second line.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, cast

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
)
from graphql.utilities.map_schema_config import (
    ConfigMapperMap,
    MappedSchemaContext,
    map_schema_config,
)

from hub.domain.agreements import DataClass, Scope
from hub.storage.reads.parts import Access
from schema.mapping.declare import Stored
from schema.mapping.types import order_value

GrantSet = tuple[frozenset[DataClass], bool]
KEPT = 64
ROOTS = frozenset({"Query", "Mutation", "Subscription"})
Hidden = set[tuple[str, str]]


class Visible:
    """The schemas of all grant sets met so far, each made once; shared by all requests."""

    def __init__(self, full: GraphQLSchema, declared: Mapping[str, Stored]) -> None:
        self._full = full
        self._declared = declared
        self._known: dict[GrantSet, GraphQLSchema] = {}
        self._lock = threading.Lock()

    def made_for(self, scope: Scope) -> GraphQLSchema | None:
        """The schema that `scope` may use if it is made already; never waits."""
        return self._known.get(grants_of(scope))

    def schema_for(self, scope: Scope) -> GraphQLSchema:
        """The schema that `scope` may use; the same object for the same grants. To make one takes
        some fifty milliseconds: not for an event loop."""
        made = self.made_for(scope)
        if made is not None:
            return made
        grants = grants_of(scope)
        with self._lock:
            found = self._known.get(grants)
            if found is None:
                if len(self._known) >= KEPT:
                    self._known.pop(next(iter(self._known)))
                found = self._known[grants] = reduced(self._full, self._declared, grants)
        return found


def grants_of(scope: Scope) -> GrantSet:
    """What decides which fields exist for a scope: its data classes, and whether it is the MSO's.

    Which practices it reaches decides rows, not fields.
    """
    return scope.classes, scope.is_mso or scope.unrestricted


def reduced(full: GraphQLSchema, declared: Mapping[str, Stored], grants: GrantSet) -> GraphQLSchema:
    """`full` without what `grants` leave out; `full` itself if they leave out nothing."""
    hidden, hidden_types = _hidden(full, declared, grants)
    if not hidden and not hidden_types:
        return full

    def keeps(owner: str, name: str, named: Any = None) -> bool:
        gone = named is not None and get_named_type(named).name in hidden_types
        return not gone and (owner, name) not in hidden

    config: dict[str, Any] = dict(map_schema_config(full.to_kwargs(), _mappers(keeps)))
    nodes = [
        item
        for item in config["types"] or ()
        if item.name in declared and item.name not in hidden_types
    ]
    return GraphQLSchema(**{**config, "types": nodes})


@lru_cache(KEPT)
def names_left_out(full: GraphQLSchema, left: GraphQLSchema) -> frozenset[str]:
    """The names of types, fields, arguments and values that are in `full` and not, or not
    everywhere, in `left`. A document with none of them asks for nothing that is hidden."""
    found = set(full.type_map) - set(left.type_map)
    for name, item in left.type_map.items():
        found |= {word for _, word in _members(full.type_map[name]) - _members(item)}
    return frozenset(found)


def _members(item: GraphQLNamedType) -> set[tuple[str, str]]:
    """The fields and values of a type, and the arguments of its fields, each by its owner."""
    fields = getattr(item, "fields", {})
    arguments = {
        (name, word) for name, field in fields.items() for word in getattr(field, "args", ())
    }
    return arguments | {("", word) for word in (*fields, *getattr(item, "values", ()))}


def _hidden(
    full: GraphQLSchema, declared: Mapping[str, Stored], grants: GrantSet
) -> tuple[Hidden, set[str]]:
    """The (type, field or value) pairs left out, and the types of which nothing is left."""
    classes, is_mso = grants
    hidden: Hidden = set()
    types: set[str] = set()
    hidden.update(_of_facets(declared.values(), classes))
    for item in declared.values():
        hidden.update(_of_type(item, classes))
        if item.access is Access.MSO and not is_mso:
            types.update(f"{item.name}{part}" for part in ("", "Connection", "Edge", "Aggregate"))
    grew = True
    while grew:
        empty = {
            name
            for name, item in full.type_map.items()
            if name not in types and _is_empty(item, hidden, types)
        }
        types |= empty
        grew = bool(empty)
    return hidden, types


def _of_type(item: Stored, classes: frozenset[DataClass]) -> Iterable[tuple[str, str]]:
    """Fields, filters and orders of one type whose data class is not among `classes`."""
    for name, col in item.fields.items():
        if col.data_class not in classes:
            yield item.name, name
            yield f"{item.name}Filter", name
            yield f"{item.name}Keys", name
            yield f"{item.name}Figures", name
            yield f"{item.name}Aggregate", name  # the currency of its amounts
            for group, (field, _) in item.groups.items():
                if field == name:
                    yield f"{item.name}GroupBy", order_value(group)
                    yield f"{item.name}Keys", group
    for name, made in item.computed.items():
        if made.data_class not in classes:
            yield item.name, name
    for name, order in item.sort_orders.items():
        needed = {item.class_of_column(column) for column in order.columns} - {None}
        if not needed <= classes:
            yield f"{item.name}Order", order_value(name)


def _of_facets(
    declared: Iterable[Stored], classes: frozenset[DataClass]
) -> Iterable[tuple[str, str]]:
    """Fields of facets that may be read of no type they stand in; where of some, the planner
    refuses them of the others."""
    found: dict[tuple[str, str], set[DataClass | None]] = defaultdict(set)
    for item in declared:
        for facet in item.facets.values():
            for name, col in facet.fields.items():
                found[facet.type_name, name].add(col.data_class)
    return (field for field, of_types in found.items() if not of_types & classes)


def _is_empty(item: GraphQLNamedType, hidden: Hidden, types: set[str]) -> bool:
    if item.name.startswith("__") or item.name in ROOTS:
        return False
    if isinstance(item, GraphQLEnumType):
        return all((item.name, value) in hidden for value in item.values)
    if isinstance(item, GraphQLUnionType):
        return all(member.name in types for member in item.types)
    if isinstance(item, GraphQLObjectType | GraphQLInputObjectType | GraphQLInterfaceType):
        fields: Mapping[str, Any] = item.fields
        return all(
            (item.name, name) in hidden or get_named_type(field.type).name in types
            for name, field in fields.items()
        )
    return False


def _mappers(keeps: Callable[..., bool]) -> Callable[[MappedSchemaContext], ConfigMapperMap]:
    def lazily(config: Any, what: str) -> Any:
        """The members of a type are given as a function; filter what it will give."""
        given = config[what]
        owner = config["name"]

        def members() -> Any:
            found = given() if callable(given) else given
            if isinstance(found, Mapping):
                return {
                    name: member
                    for name, member in found.items()
                    if keeps(owner, name, getattr(member, "type", None))
                }
            return [member for member in found if keeps(owner, member.name, member)]

        return {**config, what: members}

    def field(config: Any, _: str) -> Any:
        arguments = config["args"].items()
        return {**config, "args": {n: a for n, a in arguments if keeps("", n, a.type)}}

    mappers = {
        "OBJECT": lambda config: lazily(config, "fields"),
        "INPUT_OBJECT": lambda config: lazily(config, "fields"),
        "ENUM": lambda config: lazily(config, "values"),
        "UNION": lambda config: lazily(config, "types"),
        "FIELD": field,
    }
    return lambda _: cast(ConfigMapperMap, mappers)
