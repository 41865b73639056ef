"""Row-level security of PostgreSQL: what the hub's own statements forget, the database refuses.

Each transaction says in settings of its own which practices it works for (`scope_settings.py`); a
policy on each table that belongs to practices compares. Nothing said means no rows. FORCE holds the
owner of the tables to it too; superusers and roles with BYPASSRLS pass, so that the hub in
production refuses to run as one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from sqlalchemy import Connection, Table, event

from hub.domain.agreements import Domain, Scope
from hub.storage.tables.base import Base, Labelled, PracticeOwned
from hub.storage.tables.consents import Consent

UNRESTRICTED = "app.unrestricted"
"""'on' for the hub's own work across practices."""
OPERATES = "app.operates"
"""Given for the MSO's apps and the hub itself, which see every record of operation."""
WITH_PRACTICES = "practices"
"""That value which opens the names and zones of all practices too: the hub's own work on records of
operation."""
SENSITIVE = "app.sensitive"
"""Practices whose records with a sensitivity label are shown, each behind its domain and a colon,
and in an emergency before a colon and the patient; a list like those of each domain."""
CONSENTS_AT = "app.consents_at"
"""The moment at which patients' consents are asked for; empty where none is."""
PURPOSE = "app.purpose"
"""For which purpose the transaction reads; what consents are compared with."""
ANY_DOMAIN = "app.practices"
"""The practices of a scope, whatever the domain; a list like those of each domain."""
POLICY = "of_the_practice"
OPERATED = (
    "clients",
    "connection_checks",
    "connection_probes",
    "connections",
    "data_issues",
    "data_keys",
    "events",
    "exports",
    "inbox",
    "jobs",
    "legal_holds",
    "outbox",
    "service_agreements",
)
"""Records of operation: of one practice or, without one, of the MSO."""
OF_NOBODY = ("connections", "jobs")
"""Tables where a row without a practice is everybody's: a feed that several share, work on a round
that a practice's approval caused."""
SHARES = {
    "purchasing_shares": "round_id",
    "scenario_shares": "scenario_id",
    "plan_shares": "plan_id",
}
"""Tables whose rows decide together whether a figure is shown, and by what they belong together."""
_CONSENTED = "consented"
"""The function that asks whether a consent shows a row with a label: practice, patient, label."""
_IN_FORCE = (
    "revoked_at IS NULL "
    f"AND starts_at <= (SELECT nullif(current_setting('{CONSENTS_AT}', true), '')::timestamptz) "
    "AND (ends_at IS NULL OR "
    f"ends_at > (SELECT nullif(current_setting('{CONSENTS_AT}', true), '')::timestamptz)) "
    f"AND (purpose IS NULL OR purpose = (SELECT current_setting('{PURPOSE}', true)))"
)
_IS_UNRESTRICTED = f"(SELECT current_setting('{UNRESTRICTED}', true)) = 'on'"


def setting_of(domain: Domain) -> str:
    """The setting that lists the practices of a domain, as an array of text."""
    return f"app.{domain.lower()}"


def sensitive_keys(scope: Scope) -> frozenset[str]:
    """The practices whose labelled records are shown, each behind its domain, and in an emergency
    before the patient."""
    only = "" if scope.emergency is None else f":{scope.emergency.patient_id}"
    return frozenset(
        f"{domain}:{practice}{only}"
        for domain, practices in scope.sensitive.items()
        for practice in practices
    )


def group_function(table: str) -> str:
    """The function that gives practice and weight of the shares of one group, whoever asks: the
    small-group rule is about all of them."""
    return f"{table}_of_group"


def tables() -> dict[str, str]:
    """Each table with a policy, and the condition of its rows."""
    found = {
        cast(Table, mapper.local_table).name: _owned(mapper.class_)
        for mapper in Base.registry.mappers
        if issubclass(mapper.class_, PracticeOwned)
    }
    operates = f"(SELECT current_setting('{OPERATES}', true)) <> ''"
    sees_practices = f"(SELECT current_setting('{OPERATES}', true)) = '{WITH_PRACTICES}'"
    own = _listed(ANY_DOMAIN, "practice_id")
    found |= dict.fromkeys(OPERATED, f"{_IS_UNRESTRICTED} OR {operates} OR {own}")
    for table in OF_NOBODY:
        found[table] += " OR practice_id IS NULL"
    listed = _listed(ANY_DOMAIN, "id")
    found["practices"] = f"{_IS_UNRESTRICTED} OR {sees_practices} OR {listed}"
    return found


def _owned(table: type[PracticeOwned]) -> str:
    listed = _listed(setting_of(table.domain), "practice_id")
    if issubclass(table, Labelled):
        every = f"'{table.domain}:' || practice_id"
        sensitive = _listed(SENSITIVE, f"({every})")
        one = _listed(SENSITIVE, f"({every} || ':' || {table.of_patient})")
        shown = f"sensitivity = '' OR {sensitive} OR {one}"
        if cast(object, table) is not Consent:  # it would ask the policy of consents again
            asked = f"(SELECT current_setting('{CONSENTS_AT}', true)) <> ''"
            shown += f" OR ({asked} AND {_CONSENTED}(practice_id, {table.of_patient}, sensitivity))"
        listed = f"({listed} AND ({shown}))"
    return f"{_IS_UNRESTRICTED} OR {listed}"


def _listed(setting: str, column: str) -> str:
    """A position, because the order an index gives survives it (`= ANY` beside the condition of a
    statement made it sort all rows); null for the empty text a setting leaves behind."""
    listed = f"(SELECT nullif(current_setting('{setting}', true), '')::text[])"
    return f"array_position({listed}, {column}::text) IS NOT NULL"


def statements(dialect: str) -> Iterator[str]:
    """What makes policies and functions; may be run again. SQLite has none."""
    if dialect != "postgresql":
        return
    yield (
        f"CREATE OR REPLACE FUNCTION {_CONSENTED}(practice text, patient text, label text) "  # noqa: S608
        "RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$ BEGIN RETURN EXISTS ("
        "SELECT 1 FROM consents WHERE practice_id = practice AND patient_id = patient "
        f"AND sensitivity = label AND {_IN_FORCE}); END $$"
    )
    for table, condition in tables().items():
        yield f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
        yield f"DROP POLICY IF EXISTS {POLICY} ON {table}"
        yield f"CREATE POLICY {POLICY} ON {table} USING ({condition})"
    # The function reads those in force, whatever the domain of the row it asks about; none of them
    # is written by who sees no more of them.
    shown = f"{_listed(ANY_DOMAIN, 'practice_id')} AND {_IN_FORCE}"
    yield f"DROP POLICY IF EXISTS {POLICY}_in_force ON consents"
    yield f"CREATE POLICY {POLICY}_in_force ON consents FOR SELECT USING ({shown})"
    # A trigger writes them with a change of any row, also of one that is nobody's.
    yield f"DROP POLICY IF EXISTS {POLICY}_written ON events"
    yield f"CREATE POLICY {POLICY}_written ON events FOR INSERT WITH CHECK (true)"
    for table, group in SHARES.items():
        # Not by SET of the function: a role that is no superuser may not declare that.
        yield (
            f"CREATE OR REPLACE FUNCTION {group_function(table)}(wanted text) "  # noqa: S608
            "RETURNS TABLE (practice_id text, weight bigint) LANGUAGE plpgsql STABLE AS $$ "
            f"DECLARE before text := coalesce(current_setting('{UNRESTRICTED}', true), ''); BEGIN "
            f"PERFORM set_config('{UNRESTRICTED}', 'on', true); "
            f"RETURN QUERY SELECT s.practice_id::text, s.standalone_cost FROM {table} s "
            f"WHERE s.{group} = wanted; "
            f"PERFORM set_config('{UNRESTRICTED}', before, true); END $$"
        )


def drop_statements(dialect: str) -> Iterator[str]:
    """The opposite of `statements`."""
    if dialect != "postgresql":
        return
    for table in SHARES:
        yield f"DROP FUNCTION IF EXISTS {group_function(table)}(text)"
    yield f"DROP POLICY IF EXISTS {POLICY}_written ON events"
    yield f"DROP POLICY IF EXISTS {POLICY}_in_force ON consents"
    for table in tables():
        yield f"DROP POLICY IF EXISTS {POLICY} ON {table}"
        yield (
            f"ALTER TABLE IF EXISTS {table} NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY"
        )
    yield f"DROP FUNCTION IF EXISTS {_CONSENTED}(text, text, text)"


@event.listens_for(Base.metadata, "after_create")
def _with_the_tables(_: object, connection: Connection, **__: Any) -> None:
    for statement in statements(connection.dialect.name):
        connection.exec_driver_sql(statement)
