"""Documents made from the schema give the same bytes as text and level by level.

The level-by-level reads are the reference. Every declared table is filled with a few rows, hostile
text included, in three practices; documents have aliases, fragments, directives, variables,
filters, orders and pages. Seen under several scopes, on both databases.
`HUB_FUZZ_EXAMPLES` sets how many documents are tried per scope and database.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

import schema.execute as execute
from hub.domain.agreements import (
    READABLE_CLASSES,
    DataClass,
    Domain,
    Emergency,
    PrincipalKind,
    Purpose,
    Scope,
    in_emergency,
    practice_scope,
    unrestricted_scope,
)
from hub.services.consent_references import COLUMNS, PLAIN
from hub.storage.crypto import Crypto
from hub.storage.reads.parts import Access
from hub.storage.reads.reading import Reading
from hub.storage.reads.scoping import split
from hub.storage.session import Database
from hub.storage.tables import Consent
from schema.context import Context
from schema.execute import Engine
from schema.root import hub_schema
from tests.conftest import BACKENDS, as_role
from tests.schema.random_documents import Filler, Rows, Writer

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
EXAMPLES = int(os.environ.get("HUB_FUZZ_EXAMPLES", "20"))


# Scopes


def mso(rows: dict[Domain, set[str]], limited: dict[Domain, set[str]]) -> Scope:
    return Scope(
        principal_id="mso",
        principal_name="mso",
        kind=PrincipalKind.MSO_APP,
        purpose=Purpose.OPERATIONS,
        classes=READABLE_CLASSES,
        rows=MappingProxyType({d: frozenset(rows.get(d, ())) for d in Domain}),
        limited=MappingProxyType({d: frozenset(limited.get(d, ())) for d in Domain}),
    )


def scopes(ids: list[str], patient: str = "") -> dict[str, Scope]:
    """Scopes over three practices, by what is special about each; `patient` is of the first."""
    first, second, third = ids
    every = {domain: {first, second, third} for domain in Domain}
    app = replace(practice_scope(first), kind=PrincipalKind.PRACTICE_APP)
    few = {Domain.CLINICAL: {first, second}, Domain.SCHEDULE: {first}, Domain.SUPPLY: {third}}
    return {
        "a practice": app,
        "a practice without PHI": replace(app, classes=READABLE_CLASSES - {DataClass.PHI}),
        "a practice without the schedule": replace(
            app, rows=MappingProxyType({d: frozenset({first}) for d in Domain if d != "SCHEDULE"})
        ),
        "the MSO with all rows": mso(every, {}),
        "the MSO with some domains": mso(few, {Domain.BILLING: {second}}),
        "the MSO with limited rows": mso(
            {domain: {first} for domain in Domain}, {domain: {second, third} for domain in Domain}
        ),
        "the MSO with nothing": mso({}, {}),
        "a practice without labelled rows": replace(app, sensitive=MappingProxyType({})),
        "a practice in an emergency": in_emergency(app, Emergency(first, patient, "unconscious")),
        "a practice in an emergency with limited rights": in_emergency(
            replace(app, rows=MappingProxyType({Domain.CLINICAL: frozenset({first})})),
            Emergency(first, patient, "unconscious"),
        ),
        "the MSO with consents": replace(mso(every, {}), consents_at=NOW),
        "the MSO with consents and limited rows": replace(
            mso({Domain.CLINICAL: {first}}, {domain: {second, third} for domain in Domain}),
            consents_at=NOW,
        ),
        "the MSO with some labelled rows": replace(
            mso(every, {}),
            consents_at=NOW,
            sensitive=MappingProxyType(
                {Domain.CLINICAL: frozenset(ids), Domain.SCHEDULE: frozenset({first, third})}
            ),
        ),
    }


SCOPES = list(scopes(["1", "2", "3"]))


# The world and the test


@dataclass
class Seeded:
    database: Database
    rows: Rows
    now: datetime
    text: Engine
    levels: Engine
    loop: asyncio.Runner
    read: list[Reading] = field(default_factory=list)

    def scope(self, name: str) -> Scope:
        ids = [row.id for row in self.rows["practices"]]
        mine = (row for row in self.rows["patients"] if row.practice_id == ids[0])
        return scopes(ids, next(row.id for row in mine if row.sensitivity))[name]

    def outcome(self, engine: Engine, scope: Scope, text: str, variables: Any) -> Any:
        """The answer's bytes, or the failure; and what was read."""
        self.read.clear()
        principal: Any = SimpleNamespace(id="p", name="p")
        context = Context(self.database, Crypto(bytes(32)), principal, scope, lambda: self.now)
        try:
            prepared = engine.prepare(context, text, variables, None)
            answer: Any = self.loop.run(engine.answer(context, prepared))
        except Exception as error:
            return type(error).__name__, str(error)
        found = [(+r.entities, +r.labelled, r.practice_ids, r.subjects) for r in self.read]
        return answer, [item for item in found if item[0]]


@pytest.fixture(scope="module", params=BACKENDS)
def filled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """A database with all tables and no rows, for all tests of this module, which only read."""
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("filled") / "hub.db"
        shutil.copyfile(request.getfixturevalue("sqlite_with_tables"), path)
        with closing(Database(f"sqlite:///{path}")) as opened:
            yield opened
        return
    empty = request.getfixturevalue("empty_postgresql")
    empty()  # ids follow from a seed: none may be there
    with closing(Database(as_role(request.getfixturevalue("postgresql_with_tables")))) as opened:
        yield opened
    empty()


def consent_to_half(database: Database, rows: Rows) -> None:
    """Consents in force to records with one of the two labels, beside those drawn at random, whose
    references are no ciphertexts."""

    def work(session: Any) -> None:
        session.execute(update(Consent).values(dict.fromkeys(COLUMNS, f"{PLAIN}drawn")))
        for number, patient in enumerate(rows["patients"]):
            session.add(
                Consent(
                    practice_id=patient.practice_id, patient_id=patient.id,
                    sensitivity=["SUD", "HIV"][number % 2], granted_on=NOW.date(), starts_at=NOW,
                    purpose=[None, "OPERATIONS"][number % 2], reference=f"{PLAIN}r",
                    recorded_at=NOW,
                    recorded_by="r",
                )
            )  # fmt: skip

    database.transaction(unrestricted_scope("test"), work)


@pytest.fixture(scope="module")
def seeded(filled: Database) -> Iterator[Seeded]:
    rows = Filler(dict(hub_schema().declared), practices=3, each=4).fill(filled)
    assert len(rows["practices"]) == 3
    consent_to_half(filled, rows)
    text = Engine(hub_schema(), introspection=False)
    levels = Engine(hub_schema(), introspection=False, as_text=False)
    with asyncio.Runner() as loop, pytest.MonkeyPatch.context() as patched:
        made = Seeded(filled, rows, NOW, text, levels, loop)

        async def note(_: object, reading: Reading) -> None:
            made.read.append(reading)

        patched.setattr(execute._Run, "_audited", note)
        yield made


@pytest.mark.parametrize("name", SCOPES)
def test_text_and_levels_give_the_same_bytes_and_the_same_audit(seeded: Seeded, name: str) -> None:
    scope = seeded.scope(name)
    schema = seeded.text.schema.schema_for(scope)

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, 2**64))
    def compare(seed: int) -> None:
        writer = Writer(random.Random(seed), schema, seeded.rows)
        text = writer.document()
        by_level = seeded.outcome(seeded.levels, scope, text, writer.variables)
        assert seeded.outcome(seeded.text, scope, text, writer.variables) == by_level, text
        # and again, from the kept plan
        assert seeded.outcome(seeded.text, scope, text, writer.variables) == by_level, text

    compare()


def test_what_is_stored_is_written_as_text_and_only_the_rest_level_by_level(seeded: Seeded) -> None:
    scope = seeded.scope("a practice")
    engine, shape = seeded.text, split(scope)[0]

    def kinds(text: str) -> tuple[tuple[str, ...], set[str]]:
        document = engine.documents.get(text)
        operation, _ = engine.documents.bind(document, None, {})
        writer = seeded.database.text_reads.writer
        plan = engine.plans.get(document, operation, scope, shape, writer, Crypto(bytes(32)))
        return tuple(plan.texts), set(plan.rows)

    for item in hub_schema().declared.values():
        if item.root and item.access is not Access.MSO:
            stored = [n for n in item.fields if item.column_name(n) not in item.source.suppressed]
            text = f"{{ {item.root} {{ totalCount nodes {{ {' '.join(stored)} }} }} }}"
            assert kinds(text) == ((item.root,), set())
    computed = "{ patients { nodes { age } } jobs { nodes { progress } } }"
    assert kinds(computed) == (("patients", "jobs"), set())
    mixed = "{ connections { nodes { health } } practices { nodes { name } } }"
    assert kinds(mixed) == (("practices",), {"connections"})
