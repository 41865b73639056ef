"""Small wrong changes of the compiler, the reader and the planner, each of which must be noticed.

The changes are those of `query_mutants`, the checks those that the other tests of this folder make:
text and levels give the same bytes and the same audit, nothing of another practice is shown, a walk
over pages meets every row once and in order, figures obey the small-group rule, keys come in the
order of the document. A mutant that passes them all fails the test.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType, SimpleNamespace
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
from hub.storage.reads.write import global_id
from hub.storage.session import Database
from hub.storage.tables import Base
from schema.context import Context
from schema.execute import Engine
from schema.root import hub_schema
from tests.schema.query_mutants import MUTANTS, WRITTEN_FOR_EACH, changed

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


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


def consent(practice: str, about: str, **more: Any) -> Base:
    facts = {"sensitivity": "SUD", "granted_on": NOON.date(), "starts_at": NOON, **more}
    return tables.Consent(
        practice_id=practice, patient_id=about, reference="r", recorded_at=NOON, recorded_by="r",
        **facts,
    )  # fmt: skip


def round_of(name: str, costs: dict[str, str], **more: Any) -> Iterator[Base]:
    yield tables.PurchasingRound(
        id=name, name=name, status="solved", opened_at=NOON, pooled_cost=Decimal("900.00"), **more
    )
    for practice, cost in costs.items():
        money = {"standalone_cost": Decimal(cost), "pays": Decimal(cost), "saving": Decimal(0)}
        yield tables.PurchasingShare(practice_id=practice, round_id=name, **money)


def content() -> Iterator[Base]:
    practices = ["a", "b", "c", "d", "e", "f", "g"]
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
    for row_id, about, label in (
        ("x6", "p1", "SUD"), ("x7", "p3", "SUD"), ("x8", "p4", "SUD"), ("x9", "p2", "HIV"),
    ):  # fmt: skip
        yield appointment("a", row_id, about, 3, sensitivity=label)
    yield appointment("b", "y5", "q1", 3, sensitivity="SUD")
    hour = timedelta(hours=1)
    yield consent("a", "p2")
    yield consent("c", "p1")
    yield consent("a", "p1", revoked_at=NOON)
    yield consent("a", "p3", starts_at=NOON + hour)
    yield consent("a", "p4", ends_at=NOON)
    yield consent("b", "q1", purpose="PURCHASING")
    yield from round_of("even", dict.fromkeys(practices, "10.00"))
    yield from round_of("apart", dict.fromkeys(practices, "10.00"), isolating=True)
    yield from round_of("most", dict.fromkeys(practices[:6], "10.00"))
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
    "the MSO with consents": replace(MSO, consents_at=NOON),
    "the MSO with limited rows": LIMITED,
    "the MSO with part of the schedule": mso({Domain.CLINICAL: "ab", Domain.SCHEDULE: "b"}),
}
LABELLED = (global_id("Appointment", "x5"), "Kim@b")
NOT_CONSENTED = tuple(global_id("Appointment", x) for x in ("x6", "x7", "x8", "x9", "y5"))
UNSEEN = {
    "a practice": ("@b", "@c"),
    "a practice without labelled rows": ("@b", "@c", *LABELLED),
    "a practice in an emergency": ("@b", "@c", *LABELLED),
    "the MSO": ("@c", *LABELLED),
    "the MSO with a practice's labelled rows": ("@c", "Kim@b"),
    "the MSO with consents": ("@c", "Kim@b", *NOT_CONSENTED),
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
        for scope, shown in ((PRACTICE, {"even", "most"}), (MSO, {"even", "few"})):
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
