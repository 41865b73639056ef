"""Small wrong changes of the compiler, the reader and the planner, each of which must be noticed.

A mutant is one replacement in the text of a module; its functions run with the code of the changed
text for as long as the checks take. The checks are those that the other tests of this folder make:
text and levels give the same bytes and the same audit, nothing of another practice is shown, a walk
over pages meets every row once and in order, figures obey the small-group rule, keys come in the
order of the document. A mutant that passes them all fails the test.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import CodeType, FunctionType, MappingProxyType, ModuleType, SimpleNamespace
from typing import Any

import orjson
import pytest

import schema.execute as execute
from hub.domain.agreements import (
    READABLE_CLASSES,
    Domain,
    Emergency,
    PrincipalKind,
    Purpose,
    Scope,
    in_emergency,
    practice_scope,
    unrestricted_scope,
)
from hub.storage import tables
from hub.storage.crypto import Crypto
from hub.storage.reads import (
    binds,
    compile_clauses,
    compile_figures,
    compile_objects,
    compile_pages,
    rows,
    run,
    scoping,
    select,
)
from hub.storage.reads.write import global_id
from hub.storage.session import Database
from hub.storage.tables import Base
from schema.context import Context
from schema.execute import Engine
from schema.mapping import operation
from schema.root import hub_schema

WRITTEN_FOR_EACH = (compile_clauses, compile_pages, binds)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Mutant:
    """`old` stands once in the module's text."""

    name: str
    module: ModuleType
    old: str
    new: str


MUTANTS = [
    Mutant(
        "no null for a link to nothing",
        compile_objects,
        "found = self._single(link.objects, table, row, number, wanted)\n"
        '        return call("coalesce", found, constant("null"))',
        "return self._single(link.objects, table, row, number, wanted)",
    ),
    Mutant(
        "no null for a value that is not there",
        compile_objects,
        "if stored.nullable or suppressed:",
        "if suppressed:",
    ),
    Mutant(
        "a link that leaves the practice",
        compile_objects,
        'clauses.append(equal(columns["practice_id"], practice))',
        "pass",
    ),
    Mutant(
        "no scope where a part begins",
        compile_objects,
        "return None if number is None else self.binds.member(value, number)",
        "return None",
    ),
    Mutant(
        "no scope where another domain begins",
        compile_objects,
        "clauses.append(self.binds.member(practice, number))",
        "pass",
    ),
    Mutant(
        "every practice's operations for a practice",
        compile_objects,
        'return equal(columns["practice_id"], self.binds.own())',
        "return None",
    ),
    Mutant(
        "identifiers of limited rows",
        compile_objects,
        "limited = self.shape.limited_set(row.source) if output.identifier else None",
        "limited = None",
    ),
    Mutant(
        "figures of a small group, as text",
        compile_objects,
        "if self.shape.unrestricted or group is None:",
        "if group is None or self.shape.has_own:",
    ),
    Mutant(
        "fields from last to first",
        compile_objects,
        "for place, output in enumerate(objects.outputs):",
        "for place, output in enumerate(reversed(objects.outputs)):",
    ),
    Mutant(
        "a page without its patients in the audit",
        compile_objects,
        "subject = _named_subject(objects, row)\n        by_id",
        "subject = None\n        by_id",
    ),
    Mutant(
        "a page below that does not say how many rows it lists",
        compile_objects,
        "number = self.mark(Mark(objects.source, counted=True, subject=False, by_id=False))",
        "return []",
    ),
    Mutant(
        "one row too few asked for",
        compile_pages,
        "first = compiler.binds.first(page, 1 if self._more else 0)",
        "first = compiler.binds.first(page, 0)",
    ),
    Mutant(
        "one row too few shown",
        compile_pages,
        'self._rows[_NUMBER], "<=", self._compiler',
        'self._rows[_NUMBER], "<", self._compiler',
    ),
    Mutant(
        "a next page that is not there",
        compile_pages,
        'compare(count(), ">", first)',
        'compare(count(), ">=", first)',
    ),
    Mutant(
        "the last cursor from the next page",
        compile_pages,
        'at = either(equal(place, first), both(equal(place, rows), compare(rows, "<", first)))',
        "at = equal(place, rows)",
    ),
    Mutant(
        "ties in any order",
        compile_pages,
        'keys = [rows[name] for name in (*page.order.columns, "id")]',
        "keys = [rows[name] for name in page.order.columns]",
    ),
    Mutant(
        "descending read as ascending",
        compile_pages,
        "ordered(key, descending=page.order.descending)",
        "ordered(key, descending=False)",
    ),
    Mutant(
        "the cursor's own row again",
        compile_clauses,
        'compare(left, "<" if page.order.descending else ">", together(keys))',
        'compare(left, "<=" if page.order.descending else ">=", together(keys))',
    ),
    Mutant(
        "after the cursor, backwards",
        compile_clauses,
        'compare(left, "<" if page.order.descending else ">", together(keys))',
        'compare(left, ">", together(keys))',
    ),
    Mutant(
        "a cursor of another practice",
        compile_clauses,
        'return table, [equal(table["id"], key), *([] if own is None else [own]), *labels]',
        'return table, [equal(table["id"], key), *labels]',
    ),
    Mutant(
        "a cursor with a label that is not granted",
        compile_clauses,
        'return table, [equal(table["id"], key), *([] if own is None else [own]), *labels]',
        'return table, [equal(table["id"], key), *([] if own is None else [own])]',
    ),
    Mutant(
        "pages with labelled rows",
        compile_clauses,
        "return self._compiler.label_clauses(self._page.source, table) + [",
        "return [",
    ),
    Mutant(
        "a labelled row by its id",
        compile_objects,
        "wanted += self.label_clauses(source, table)\n        found = self._single(root.objects",
        "found = self._single(root.objects",
    ),
    Mutant(
        "a link to a labelled row",
        compile_objects,
        "wanted += self.label_clauses(source, table)\n        found = self._single(link.objects",
        "found = self._single(link.objects",
    ),
    Mutant(
        "labelled rows of every practice where one grants them",
        compile_objects,
        "return [either(plain, opened)]",
        "return []",
    ),
    Mutant(
        "labelled rows that the audit does not tell of",
        compile_objects,
        'return [choose(plain, constant(number), constant(f"{labelled}"))]',
        "return [number]",
    ),
    Mutant(
        "labelled rows, by level",
        select,
        'return or_(columns[LABEL] == "", opened)',
        "return true()",
    ),
    Mutant(
        "labelled rows of everybody in an emergency",
        compile_objects,
        "opened = both(opened, theirs)",
        "pass",
    ),
    Mutant(
        "labelled rows of everybody in an emergency, by level",
        select,
        "opened = and_(opened, columns[labelled_patient(source)] == scope.emergency.patient_id)",
        "pass",
    ),
    Mutant(
        "an unknown cursor as an empty page",
        compile_clauses,
        'constant(""), constant(f"{EDGE}{NO_CURSOR}{EDGE}")',
        'constant(""), constant("")',
    ),
    Mutant("no filters", compile_clauses, "return found + self.filters(table)", "return found"),
    Mutant(
        "limited rows that answer a guess",
        compile_clauses,
        "full_rows = sql.needs_full_rows(page)",
        "full_rows = False",
    ),
    Mutant(
        "a list that is not bounded from below",
        binds,
        "return compare(column, COMPARED[item.op], value)",
        'return compare(column, COMPARED["gt" if item.op == "gte" else item.op], value)',
    ),
    Mutant(
        "limited rows left out",
        scoping,
        "readable = whole\n    if any(limited):",
        "readable = whole\n    if not limited:",
    ),
    Mutant(
        "figures of a small group, by statement",
        compile_figures,
        "number(SMALLEST_GROUP)",
        "number(1)",
    ),
    Mutant(
        "figures of one large practice, by statement",
        compile_figures,
        "number(LARGEST_SHARE)",
        "number(1)",
    ),
    Mutant(
        "figures of a practice outside the agreements, by statement",
        compile_figures,
        "return either(large, negated(exists(outside)))",
        "return either(large, exists(outside))",
    ),
    Mutant(
        "figures of a small group, by level",
        select,
        "func.count() >= SMALLEST_GROUP,",
        "func.count() >= 1,",
    ),
    Mutant(
        "figures of one large practice",
        select,
        "func.max(weight) * LARGEST_SHARE <= func.sum(weight)",
        "func.max(weight) <= func.sum(weight)",
    ),
    Mutant(
        "figures of a practice outside the agreements",
        select,
        "return or_(large, ~outside)",
        "return or_(large, outside)",
    ),
    Mutant(
        "no next page, by level",
        select,
        ".order_by(*order_by(source, page.order))\n        .limit(page.first.among(values) + 1)",
        ".order_by(*order_by(source, page.order))\n        .limit(page.first.among(values))",
    ),
    Mutant(
        "the cursor's own row again, by level",
        select,
        "return left < right if order.descending else left > right",
        "return left <= right if order.descending else left >= right",
    ),
    Mutant(
        "another practice's rows, by level",
        select,
        "return and_(_among(columns.practice_id, practices), pointed)",
        "return _among(columns.practice_id, practices)",
    ),
    Mutant(
        "no scope, by level",
        select,
        "listed = _among(columns.practice_id, practice_ids(source, scope, full_rows=full_rows))",
        "listed = true()",
    ),
    Mutant(
        "rows handed to the wrong parent",
        rows,
        "return (values[0], values[1]) if len(partition) == 2 else (None, values[0])",
        "return (values[1], values[0]) if len(partition) == 2 else (None, values[0])",
    ),
    Mutant(
        "one row too many on a page, by level",
        rows,
        "Group(found[:first], len(found) > first)",
        "Group(found[: first + 1], len(found) > first)",
    ),
    Mutant(
        "identifiers of limited rows, by level",
        run,
        "limited = self._scope.limited.get(source.domain) if source.domain else None",
        "limited = None",
    ),
    Mutant(
        "merged fields in the order of the last",
        operation,
        "found.setdefault(key, []).append(node)",
        "found[key] = [*found.pop(key, []), node]",
    ),
    Mutant(
        "a fragment for another type",
        operation,
        "if condition is None or condition.name.value == type_name:\n            return True",
        "if True:\n            return True",
    ),
    Mutant(
        "skipped fields kept",
        operation,
        'if skip and skip["if"]:\n            return False',
        'if skip and skip["if"]:\n            return True',
    ),
]


def codes(code: CodeType) -> Iterator[tuple[str, CodeType]]:
    """Every piece of code inside another, by its qualified name."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield inner.co_qualname, inner
            yield from codes(inner)


def functions(owner: Any) -> Iterator[FunctionType]:
    """The functions a module or class defines, methods included."""
    module = getattr(owner, "__module__", owner.__name__)
    for value in vars(owner).values():
        found = getattr(value, "fget", None) or getattr(value, "__func__", value)
        if isinstance(found, FunctionType) and found.__module__ == module:
            yield found
        elif isinstance(value, type) and value.__module__ == module and value is not owner:
            yield from functions(value)


@contextmanager
def changed(mutant: Mutant) -> Iterator[None]:
    """The module's functions as the changed text has them."""
    text = inspect.getsource(mutant.module)
    assert text.count(mutant.old) == 1, f"{mutant.name}: the text to change has changed itself"
    text = text.replace(mutant.old, mutant.new)
    made = dict(codes(compile(text, mutant.module.__name__, "exec", dont_inherit=True)))
    kept = {one: one.__code__ for one in functions(mutant.module) if one.__qualname__ in made}
    try:
        for function in kept:
            function.__code__ = made[function.__qualname__]
        yield
    finally:
        for function, code in kept.items():
            function.__code__ = code


# The world: three practices whose rows share ids, names and times


def patient(practice: str, row_id: str, family: str, **more: Any) -> tables.Patient:
    facts = {"given_name": "", "birth_date": date(1980, 5, 17), "received_at": NOON, **more}
    return tables.Patient(
        practice_id=practice, id=row_id, family_name=f"{family}@{practice}", **facts
    )


def appointment(practice: str, row_id: str, about: str, hours: int, **more: Any) -> Base:
    return tables.Appointment(
        practice_id=practice,
        id=row_id,
        patient_id=about,
        status="booked",
        starts_at=NOON + timedelta(hours=hours),
        external_id=row_id,
        location=f"room@{practice}",
        **more,
    )


def round_of(name: str, costs: dict[str, str]) -> Iterator[Base]:
    yield tables.PurchasingRound(
        id=name, name=name, status="solved", opened_at=NOON, pooled_cost=Decimal("900.00")
    )
    for practice, cost in costs.items():
        money = {"standalone_cost": Decimal(cost), "pays": Decimal(cost), "saving": Decimal(0)}
        yield tables.PurchasingShare(practice_id=practice, round_id=name, **money)


def content() -> Iterator[Base]:
    practices = ["a", "b", "c", "d", "e"]
    for one in practices:
        yield tables.Practice(
            id=one, name=f"Practice@{one}", zone="UTC", created_at=NOON, specialties=["x", '"']
        )
        yield tables.Provider(practice_id=one, id="v", family_name=f"Healer@{one}", external_id="v")
    yield patient("a", "p1", "Abe", phone="1")
    yield patient("a", "p3", "Abe", birth_date=None)
    yield patient("a", "p2", "Abe", given_name="Zoe")
    yield patient("a", "p4", "Cid", merged_into_id="p1")
    yield patient("b", "q1", "Bea")
    yield patient("b", "p0", "Abe", merged_into_id="q1")
    yield patient("c", "p1", "Zed")
    yield patient("c", "pc", "Abe", phone="1")
    for hours, row_id in enumerate(["x3", "x1", "x2"]):
        yield appointment("a", row_id, "p1", hours // 2, provider_id="v" if hours else None)
    yield appointment("a", "x4", "p2", 1, minutes=15)
    for hours, row_id in enumerate(["y3", "y1", "y2"]):
        yield appointment("b", row_id, "q1", hours, provider_id="v")
    yield appointment("c", "x1", "p1", 0)
    yield appointment("a", "x5", "p2", 1, sensitivity="SUD")
    yield patient("b", "q2", "Kim", sensitivity="SUD")
    yield appointment("b", "y4", "q2", 1)
    yield from round_of("even", dict.fromkeys(practices, "10.00"))
    yield from round_of("few", {"a": "10.00", "b": "10.00"})
    yield from round_of("four", dict.fromkeys("abde", "10.00"))
    yield from round_of("outside", {"a": "10.00", "c": "10.00"})
    yield from round_of("uneven", {**dict.fromkeys(practices, "10.00"), "a": "90.00"})
    for one in ("a", "b"):
        yield tables.InboundMessage(
            kind="hl7v2", practice_id=one, source=f"sender@{one}", control_id=one,
            message_type=f"ADT@{one}", body_digest="d", size=3, content_type="x", headers={},
            raw=b"raw", answer=b"ack", state="processed", received_at=NOON,
        )  # fmt: skip


def mso(rows: dict[Domain, str], limited: str = "") -> Scope:
    return Scope(
        principal_id="mso",
        principal_name="mso",
        kind=PrincipalKind.MSO_APP,
        purpose=Purpose.OPERATIONS,
        classes=READABLE_CLASSES,
        rows=MappingProxyType({d: frozenset(rows.get(d, "")) for d in Domain}),
        limited=MappingProxyType({d: frozenset(limited) for d in Domain}),
    )


PRACTICE = replace(practice_scope("a"), kind=PrincipalKind.PRACTICE_APP)
MSO = mso(dict.fromkeys(Domain, "ab"))
LIMITED = mso(dict.fromkeys(Domain, "a"), "b")
SENSITIVE = replace(MSO, sensitive=MappingProxyType({d: frozenset("a") for d in Domain}))
SCOPES = {
    "a practice": PRACTICE,
    "the MSO": MSO,
    "a practice without labelled rows": replace(PRACTICE, sensitive=MappingProxyType({})),
    "a practice in an emergency": in_emergency(PRACTICE, Emergency("a", "p1", "unconscious")),
    "the MSO with a practice's labelled rows": SENSITIVE,
    "the MSO with limited rows": LIMITED,
    "the MSO with part of the schedule": mso({Domain.CLINICAL: "ab", Domain.SCHEDULE: "b"}),
}
LABELLED = (global_id("Appointment", "x5"), "Kim@b")
UNSEEN = {
    "a practice": ("@b", "@c"),
    "a practice without labelled rows": ("@b", "@c", *LABELLED),
    "a practice in an emergency": ("@b", "@c", *LABELLED),
    "the MSO": ("@c", *LABELLED),
    "the MSO with a practice's labelled rows": ("@c", "Kim@b"),
    "the MSO with limited rows": ("@c", "Bea@b", "Abe@b", *LABELLED),
    "the MSO with part of the schedule": ("@c", "room@a", *LABELLED),
}
APPOINTMENTS = """appointments(first: 2) { nodes { id startsAt minutes location
  provider { familyName } } pageInfo { hasNextPage startCursor endCursor } }"""
DOCUMENTS = [
    f"""{{ patients(first: 2) {{ totalCount nodes {{ id familyName birthDate deceasedAt
      mergedInto {{ familyName }} {APPOINTMENTS} }} pageInfo {{ hasNextPage endCursor }} }} }}""",
    "{ patients(orderBy: NAME_DESC, first: 3) { edges { cursor node { givenName } } } }",
    """{ practices { nodes { name specialties patients(first: 1) { totalCount
      nodes { familyName practice { name } } pageInfo { hasNextPage } } } } }""",
    '{ patients(where: { familyName: { prefix: "Abe" } }) { totalCount nodes { sex } } }',
    '{ patients(where: { familyName: { eq: "Abe@b" } }) { totalCount } }',
    """{ appointments(where: { startsAt: { gte: "2026-03-02T13:00:00Z" } }) {
      totalCount nodes { location } } }""",
    "{ purchasingRounds { nodes { name pooledCost shares { totalCount nodes { pays } } } } }",
    "{ inboundMessages { totalCount nodes { messageType } } }",
    "{ patients { totalCount } appointments { totalCount } }",
    f'{{ node(id: "{global_id("Practice", "b")}") {{ ... on Practice {{ name }} }} }}',
    f'{{ node(id: "{global_id("Patient", "pc")}") {{ ... on Patient {{ familyName }} }} }}',
    f"""{{ node(id: "{global_id("Patient", "p2")}") {{
      ... on Patient {{ {APPOINTMENTS} }} }} }}""",
    '{ patients(first: 1, after: "pc") { nodes { id } } }',
    '{ patients(first: 1, after: "none") { nodes { id } } }',
    '{ patients(first: 1, after: "q2") { nodes { id } } }',
    "{ appointments { totalCount nodes { id startsAt location patient { familyName } } } }",
    f"""{{ node(id: "{global_id("Appointment", "x5")}") {{
      ... on Appointment {{ id location }} }} }}""",
]
SHAPED = """query($no: Boolean!) { z: patients(first: 1) {
    nodes { b: givenName ...first gone: city @skip(if: $no) a: sex }
    nodes { familyName b: givenName id } } }
  fragment first on Patient { y: status ... on Node { x: id }
    ... on Patient { a: sex } }"""
SHAPE = ["b", "y", "x", "a", "familyName", "id"]
OF_ANOTHER_TYPE = f"""{{ node(id: "{global_id("Practice", "a")}") {{
  ... on Practice {{ name }} ... on PurchasingRound {{ status }} }} }}"""
WALKS = {("NAME", 1), ("NAME", 2), ("NAME_DESC", 2)}
PEOPLE = {
    "a": [("Abe@a", "", "p1"), ("Abe@a", "", "p3"), ("Abe@a", "Zoe", "p2"), ("Cid@a", "", "p4")],
    "b": [("Abe@b", "", "p0"), ("Bea@b", "", "q1")],
}


@dataclass
class Checks:
    """Each raises AssertionError where something is wrong."""

    database: Database
    engines: list[Engine]
    loop: asyncio.Runner
    read: list[Any] = field(default_factory=list)

    def outcome(self, engine: Engine, scope: Scope, text: str, **variables: Any) -> Any:
        """The answer's bytes, or the failure; and what was read."""
        self.read.clear()
        principal: Any = SimpleNamespace(id="p", name="p")
        context = Context(self.database, Crypto(bytes(32)), principal, scope, lambda: NOON)
        try:
            prepared = engine.prepare(context, text, variables, None)
            answer: Any = self.loop.run(engine.answer(context, prepared))
        except Exception as error:
            return type(error).__name__, str(error)
        found = [(+r.entities, +r.labelled, r.practice_ids, r.subjects) for r in self.read]
        return answer, [item for item in found if item[0]]

    def data(self, engine: Engine, scope: Scope, text: str, **variables: Any) -> Any:
        """The answer, read; a failure or what is no JSON is wrong."""
        answer = self.outcome(engine, scope, text, **variables)[0]
        try:
            return orjson.loads(answer)
        except orjson.JSONDecodeError:
            raise AssertionError(answer) from None

    def all(self) -> None:
        self.engines = [  # which have kept nothing
            Engine(one.schema, introspection=False, as_text=one.as_text) for one in self.engines
        ]
        for text in DOCUMENTS:
            for name, scope in SCOPES.items():
                self.same_and_in_scope(text, scope, UNSEEN[name])
        for engine in self.engines:
            self.shape(engine)
            self.small_groups(engine)
            for scope, practices in ((PRACTICE, "a"), (MSO, "ab")):
                self.walks(engine, scope, practices)

    def same_and_in_scope(self, text: str, scope: Scope, unseen: tuple[str, ...]) -> None:
        first, *others = (self.outcome(engine, scope, text) for engine in self.engines)
        assert others == [first] * len(others), text
        assert not [word for word in unseen if word in str(first)], text
        assert isinstance(first[0], bytes) or first[0] == "NotFound", (first, text)

    def shape(self, engine: Engine) -> None:
        [node] = self.data(engine, PRACTICE, SHAPED, no=True)["z"]["nodes"]
        assert list(node) == SHAPE
        found = self.data(engine, PRACTICE, OF_ANOTHER_TYPE)
        assert found == {"node": {"name": "Practice@a"}}

    def small_groups(self, engine: Engine) -> None:
        text = "{ purchasingRounds { nodes { name pooledCost } } }"
        for scope, shown in ((PRACTICE, {"even"}), (MSO, {"even", "few"})):
            nodes = self.data(engine, scope, text)["purchasingRounds"]["nodes"]
            assert {node["name"] for node in nodes if node["pooledCost"] is not None} == shown

    def walks(self, engine: Engine, scope: Scope, practices: str) -> None:
        wanted = sorted(key for practice in practices for key in PEOPLE[practice])
        for order, size in WALKS:
            if len(practices) > 1 and size == 1:
                continue
            found = self.walk(engine, scope, order, size, len(wanted) + 1)
            assert found == (wanted if order == "NAME" else wanted[::-1])

    def walk(self, engine: Engine, scope: Scope, order: str, size: int, most: int) -> list[Any]:
        text = f"""query($after: String) {{ patients(first: {size}, orderBy: {order}, after: $after)
          {{ edges {{ cursor node {{ familyName givenName }} }}
          pageInfo {{ hasNextPage endCursor }} }} }}"""
        seen: list[Any] = []
        after = None
        while len(seen) < most:
            page = self.data(engine, scope, text, after=after)["patients"]
            assert page["edges"]  # a next page was promised
            people = [(e["node"]["familyName"], e["node"]["givenName"]) for e in page["edges"]]
            ids = [edge["cursor"] for edge in page["edges"]]
            seen += [(*p, i) for p, i in zip(people, ids, strict=True)]
            if not page["pageInfo"]["hasNextPage"]:
                break
            after = page["pageInfo"]["endCursor"]
        return seen


@pytest.fixture
def unprotected(database: Database, request: pytest.FixtureRequest) -> Iterator[Database]:
    """The database without row-level security, which would make up for some of the changes."""
    if database.is_sqlite:
        yield database
        return
    opened = Database(request.getfixturevalue("postgresql_with_tables"))
    yield opened
    opened.close()


@pytest.fixture
def checks(unprotected: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Checks]:
    database = unprotected

    def fill(session: Any) -> None:
        for row in content():
            session.add(row)
            session.flush()

    database.transaction(unrestricted_scope("test"), fill)
    engines = [
        Engine(hub_schema(), introspection=False, as_text=as_text) for as_text in (True, False)
    ]
    with asyncio.Runner() as loop:
        made = Checks(database, engines, loop)

        async def note(_: object, reading: Any) -> None:
            made.read.append(reading)

        monkeypatch.setattr(execute._Run, "_audited", note)
        yield made


def test_every_mutant_is_caught_and_without_one_nothing_is(checks: Checks) -> None:
    checks.all()
    survivors = []
    for mutant in MUTANTS:
        if not checks.database.is_sqlite and mutant.module not in WRITTEN_FOR_EACH:
            continue  # the same on both databases, and caught on the other
        try:
            with changed(mutant):
                checks.all()
        except AssertionError as caught:
            if "has changed itself" in str(caught):
                raise
            continue
        survivors.append(mutant.name)
    assert survivors == []
    checks.all()  # and every change was taken back
