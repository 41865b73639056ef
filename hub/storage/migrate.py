"""Bringing a database to the current schema with Alembic, on SQLite and PostgreSQL alike.

Alembic is loaded by what migrates only: it takes ten megabytes.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import column, create_engine, inspect, select, table
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError, OperationalError, ProgrammingError

from hub.errors import BadSetting
from hub.storage import roles

MIGRATIONS = Path(__file__).parent / "migrations"
_APPLIED = table("alembic_version", column("version_num"))


SIGNED_SINCE = "0033"
"""The revision from which on jobs are signed."""
FORBIDDEN = "42501"
"""SQLSTATE of PostgreSQL: the role may not do this."""


def upgrade(url: str, role: str | None = None) -> bool:
    """Bring the database at `url` to head; does nothing if it is there. True if it held jobs from
    before they were signed: whoever has the keys signs them now (`queue.sign_waiting`).

    On PostgreSQL row-level security is made anew with every change, and a `role` that is not the
    one of `url` may run the hub on it afterwards.
    """
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    from alembic import command
    from alembic.config import Config

    before = current_revision(url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url
    try:
        command.upgrade(config, "head")
        give_rights(url, role)
    except OperationalError as error:
        raise _unusable(error) from error
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) != FORBIDDEN:
            raise
        raise BadSetting(
            f"The role {role_of(url)} may not change the tables: name the role that owns them, or "
            "the empty database, in HUB_MIGRATION_DATABASE_URL."
        ) from error
    return before is not None and before < SIGNED_SINCE


def _unusable(error: DatabaseError) -> BadSetting:
    """In the words of the server, where it answered: a role, a password, no connection left."""
    said = str(error.orig).partition("FATAL:")[2].strip().partition("\n")[0]
    if said:
        return BadSetting(f"HUB_DATABASE_URL: the server refuses the connection: {said}.")
    return BadSetting(
        "HUB_DATABASE_URL: the database does not answer; check the address and that it runs."
    )


def role_of(url: str) -> str | None:
    """The role a database is reached as; None where the URL names none."""
    return make_url(url).username


def give_rights(url: str, role: str | None) -> None:
    """Let a role other than that of `url` run the hub; BadSetting if there is no such role."""
    if role is None or role == role_of(url):
        return
    engine = create_engine(url, hide_parameters=True)
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for statement in roles.grants(role):
                connection.exec_driver_sql(statement)
    except ProgrammingError as error:
        raise BadSetting(
            f"The role {role} of HUB_DATABASE_URL could not be given its rights: create it first, "
            "and name the owner of the tables in HUB_MIGRATION_DATABASE_URL."
        ) from error
    finally:
        engine.dispose()


def _keep_from_others(url: str) -> None:
    """Create an embedded database's file readable by its owner only, before SQLite would create it
    readable by all; its log files take over the mode. An existing file keeps its own."""
    file = Path(url.removeprefix("sqlite:///"))
    if url.startswith("sqlite:///") and file.parent.is_dir():
        file.touch(mode=0o600)


def current_revision(url: str) -> str | None:
    """The revision the database is at, or None for an empty one."""
    _keep_from_others(url)
    engine = create_engine(url, hide_parameters=True)
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table(_APPLIED.name):
                return None
            return connection.scalar(select(_APPLIED.c.version_num))
    except DatabaseError as error:  # also for a file that is no database
        raise _unusable(error) from error
    finally:
        engine.dispose()


def head_revision() -> str:
    """The last revision: the file of a revision begins with its number."""
    return max(file.name.partition("_")[0] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def require_current(url: str) -> None:
    """Raise BadSetting unless the database is at head."""
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
        raise BadSetting("There is no database yet; run `mso-hub migrate` or `mso-hub demo` first.")
    if current_revision(url) != head_revision():
        raise BadSetting("The database schema is not current; run `mso-hub migrate`.")
