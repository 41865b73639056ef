"""How much a document asks for: depth, aliases, root fields, directives and price, in one walk.

Each fragment is measured once and every figure stops growing at a cap, so that fragments spread in
fragments cost no more than their text; cycles and undefined fragments count nothing (validation
refuses them). The price is an expression over page sizes, worked out per request from its
variables. Rules: docs/explanation/graphql-over-http.md (depth 8, aliases 15, root fields 10,
directives 50, repetitions 60, cost 5000).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
)
from strawberry.schema.schema_converter import GraphQLCoreConverter

from hub.errors import HubError, Rejected
from schema.mapping.types import PAGE_SIZE

CAP = 1_000_000
DEPTH, ALIASES, ROOT_FIELDS, DIRECTIVES, COST = 8, 15, 10, 50, 5_000
INTROSPECTION_DEPTH = 20
REPEATS = 60
TOTAL_COST, AGGREGATES_COST, MUTATION_COST = 5, 25, 10
# One answer holds the whole schema: a tenth of a second, which others wait for.
META_COST = {"__schema": 2_000, "__type": 200}
_ONCE = {"totalCount": TOTAL_COST, "aggregates": AGGREGATES_COST}


class CostExceeded(HubError):
    """The operation asks for more than one request may."""

    code = "COST_EXCEEDED"
    http_status = 400


@dataclass(frozen=True, slots=True)
class Times:
    """How often something is asked for: a number, or the value of a variable (a list's length)."""

    number: int = 1
    variable: str | None = None

    def of(self, variables: Mapping[str, Any]) -> int:
        value = variables.get(self.variable) if self.variable is not None else None
        if isinstance(value, list | tuple):
            return len(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return max(0, min(CAP, value))
        return self.number


@dataclass(frozen=True, slots=True, eq=False)
class Price:
    """What a selection costs: `fixed`, and each of `terms` so many times its price."""

    fixed: int = 0
    terms: tuple[tuple[Times, Price], ...] = ()

    def plus(self, other: Price) -> Price:
        if not other.terms and not other.fixed:
            return self
        return Price(min(CAP, self.fixed + other.fixed), (*self.terms, *other.terms))

    def of(self, variables: Mapping[str, Any], known: dict[int, int] | None = None) -> int:
        """The cost with these variables; a price that many share is worked out once."""
        known = {} if known is None else known
        found = known.get(id(self))
        if found is None:
            found = self.fixed
            for times, price in self.terms:
                found = min(CAP, found + times.of(variables) * price.of(variables, known))
            known[id(self)] = found
        return found


FREE = Price()
ONCE = Times()


@dataclass(frozen=True, slots=True)
class Size:
    """What a selection asks for; `depth` and `meta_depth` count nested objects of data and of
    introspection, `fields` the fields at the top, `repeats` how often the most repeated field of
    one type stands in the document: validation compares each with each. `once` is what a page
    costs besides its rows."""

    depth: int = 0
    meta_depth: int = 0
    aliases: int = 0
    directives: int = 0
    fields: int = 0
    price: Price = FREE
    once: int = 0
    repeats: int = 0

    def beside(self, other: Size) -> Size:
        return Size(
            max(self.depth, other.depth),
            max(self.meta_depth, other.meta_depth),
            min(CAP, self.aliases + other.aliases),
            min(CAP, self.directives + other.directives),
            min(CAP, self.fields + other.fields),
            self.price.plus(other.price),
            min(CAP, self.once + other.once),
            max(self.repeats, other.repeats),
        )


NOTHING = Size()


@dataclass(frozen=True, slots=True)
class Measured:
    """The size of an operation; `pages` are the root fields that are pages, by the identity of
    their node: how many rows are asked for and what one costs."""

    size: Size
    pages: Mapping[int, tuple[Times, Price]] = field(default_factory=dict)

    def cost(self, variables: Mapping[str, Any]) -> int:
        """The cost with the coerced `variables`."""
        return self.size.price.of(variables)

    def unused(self, node: FieldNode, rows: int, variables: Mapping[str, Any]) -> int:
        """What was asked for and not given by a root page that came back with `rows`."""
        found = self.pages.get(id(node))
        if found is None:
            return 0
        times, price = found
        return max(0, times.of(variables) - rows) * price.of(variables)


def measure(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
) -> Measured:
    """The size of an operation; needs no valid document."""
    root = schema.get_root_type(operation.operation)
    meter = _Meter(schema, fragments)
    size = meter.selection(operation.selection_set, root)
    meter.unused_fragments()
    own = len(operation.directives or ()) + sum(
        len(variable.directives or ()) for variable in operation.variable_definitions or ()
    )
    own += sum(len(fragment.directives or ()) for fragment in fragments.values())
    repeats = max(meter.repeats.values(), default=0)
    return Measured(size.beside(Size(directives=own, repeats=repeats)), meter.pages)


def refuse_too_large(size: Size) -> None:
    """Raises Rejected; the text does not say which limit is how high."""
    if size.depth > DEPTH or size.meta_depth > INTROSPECTION_DEPTH:
        raise Rejected("The operation is nested too deeply.", reason="depth")
    if size.aliases > ALIASES:
        raise Rejected("The operation has too many aliases.", reason="aliases")
    if size.fields > ROOT_FIELDS:
        raise Rejected("The operation has too many root fields.", reason="root_fields")
    if size.directives > DIRECTIVES:
        raise Rejected("The operation has too many directives.", reason="directives")
    if size.repeats > REPEATS:
        raise Rejected("The operation repeats a field too often.", reason="repeats")


def refuse_too_dear(cost: int) -> None:
    """Raises CostExceeded."""
    if cost > COST:
        raise CostExceeded("The operation costs too much; ask for smaller pages or fewer fields.")


class _Meter:
    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._known: dict[str, Size] = {}
        self.pages: dict[int, tuple[Times, Price]] = {}
        self.repeats: Counter[tuple[str, str]] = Counter()

    def selection(self, node: SelectionSetNode | None, parent: GraphQLNamedType | None) -> Size:
        size = NOTHING
        for selected in node.selections if node else ():
            own = Size(directives=len(selected.directives or ()))
            if isinstance(selected, FieldNode):
                part = self._field(selected, parent)
            elif isinstance(selected, FragmentSpreadNode):
                part = self._fragment(selected.name.value)
            elif isinstance(selected, InlineFragmentNode):
                part = self.selection(
                    selected.selection_set, self._narrowed(selected.type_condition, parent)
                )
            else:
                part = NOTHING
            size = size.beside(own).beside(part)
        return size

    def _fragment(self, name: str) -> Size:
        if name not in self._known:
            self._known[name] = NOTHING  # what a cycle adds
            fragment = self._fragments.get(name)
            if fragment is not None:
                parent = self._narrowed(fragment.type_condition, None)
                size = self.selection(fragment.selection_set, parent)
                shared = Price(0, ((ONCE, size.price),)) if size.price.terms else size.price
                self._known[name] = replace(size, price=shared)
        return self._known[name]

    def unused_fragments(self) -> None:
        """Count what nobody asks for as well: validation compares its fields all the same."""
        for name in self._fragments:
            self._fragment(name)

    def _narrowed(self, condition: Any, parent: GraphQLNamedType | None) -> Any:
        return parent if condition is None else self._schema.get_type(condition.name.value)

    def _field(self, node: FieldNode, parent: GraphQLNamedType | None) -> Size:
        name = node.name.value
        below = self.selection(node.selection_set, self._type_of(name, parent))
        alias = 1 if node.alias and node.alias.value != name else 0
        is_object = node.selection_set is not None
        if name in META_COST:
            price = Price(META_COST[name])
            return Size(0, below.depth + 1, alias + below.aliases, below.directives, 1, price)
        parent_name = parent.name if parent else ""
        self.repeats[parent_name, node.alias.value if node.alias else name] += 1
        wrapper = _is_page(parent_name) or parent_name.endswith("Edge") or name == "pageInfo"
        depth = below.depth + (1 if is_object and not wrapper else 0)
        return Size(
            depth=min(CAP, depth),
            meta_depth=below.meta_depth,
            aliases=min(CAP, alias + below.aliases),
            directives=below.directives,
            fields=1,
            price=self._price(node, parent, below),
            once=_ONCE.get(name, 0) if _is_page(parent_name) else 0,
        )

    def _price(self, node: FieldNode, parent: GraphQLNamedType | None, below: Size) -> Price:
        name, parent_name, price = node.name.value, parent.name if parent else "", below.price
        field_type = self._type_of(name, parent)
        if _is_page(parent_name):
            return {"nodes": price.plus(Price(1)), "edges": price}.get(name, FREE)
        if field_type is not None and _is_page(field_type.name):
            times = _times(node, "first")
            if parent is self._schema.query_type:
                self.pages[id(node)] = (times, price)
            return Price(1 + below.once, ((times, price),))
        if parent is not None and parent is self._schema.mutation_type:
            return price.plus(Price(MUTATION_COST))
        if name == "nodes" and parent is self._schema.query_type:
            return Price(0, ((_times(node, "ids"), price.plus(Price(1))),))
        if node.selection_set is not None:
            return price.plus(Price(1))
        return Price(_stated_cost(name, parent))

    def _type_of(self, name: str, parent: GraphQLNamedType | None) -> GraphQLNamedType | None:
        if name == "__schema":
            return self._schema.get_type("__Schema")
        if isinstance(parent, GraphQLObjectType | GraphQLInterfaceType) and name in parent.fields:
            found: GraphQLNamedType = get_named_type(parent.fields[name].type)
            return found
        return None


def _times(node: FieldNode, argument: str) -> Times:
    """A page's size: stated, in a variable, or the usual one."""
    for stated in node.arguments or ():
        if stated.name.value != argument:
            continue
        value = stated.value
        if isinstance(value, VariableNode):
            return Times(PAGE_SIZE, value.name.value)
        if isinstance(value, IntValueNode):
            return Times(max(0, min(CAP, int(value.value[:9]))))
        if isinstance(value, ListValueNode):
            return Times(len(value.values))
    return Times(PAGE_SIZE)


def _stated_cost(name: str, parent: GraphQLNamedType | None) -> int:
    """What a field without selection costs by its declaration: most nothing."""
    if not isinstance(parent, GraphQLObjectType) or name not in parent.fields:
        return 0
    made_of: Any = parent.fields[name].extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    return int(made_of.metadata.get("cost", 0)) if made_of is not None else 0


def _is_page(type_name: str) -> bool:
    """True for the connection types of Relay; `Connection` itself is a noun of the hub."""
    return type_name.endswith("Connection") and type_name != "Connection"
