"""`mso-hub backup` and `restore`: the database as one encrypted file, and back elsewhere."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import func, select

from hub import settings
from hub.entrypoints.cli import common
from hub.entrypoints.cli.common import SCOPE, AsJson
from hub.entrypoints.hub import Hub, open_hub, utc_now
from hub.errors import Conflict
from hub.services import operators
from hub.storage import audit, backup, inbox, sealed_files
from hub.storage.crypto import Damaged
from hub.storage.key_encryption import open_keys
from hub.storage.migrate import current_revision, give_rights, head_revision, role_of
from hub.storage.session import Database
from hub.storage.tables import InboundMessage, Practice

File = Annotated[Path, typer.Argument(dir_okay=False, help="The encrypted file.")]


def backup_command(file: File, as_json: AsJson = False) -> None:
    """Write the whole database, encrypted, into a file; the hub may go on working.

    The keys are not in it: keep HUB_KEY_FILE apart, or nobody can read the backup.
    """
    began, current = time.monotonic(), settings.load()
    url = current.resolved_database_url()
    if file.exists():
        raise Conflict(f"{file} is there already; name a new file.")
    revision = current_revision(url)
    if revision == head_revision():
        _record(url)
    with backup.copied(url) as copy:
        facts = {
            "format": 1,
            "database": url.partition(":")[0].partition("+")[0],
            "revision": revision,
            "made_at": utc_now().isoformat(),
            "counts": copy.counts,
        }
        sealed_files.seal(file, facts, copy.content, open_keys(current))
    rows, seconds = sum(copy.counts.values()), time.monotonic() - began
    size = file.stat().st_size
    if as_json:
        common.print_json({"rows": rows, "bytes": size, "seconds": round(seconds, 3)})
    else:
        typer.echo(f"{rows} rows are backed up: {size / 1e6:.1f} MB in {seconds:.1f} s.")


def _record(url: str) -> None:
    """That all rows are about to be copied, and by whom; kept in the copy too. The trail of a
    database that waits to be migrated is left as it is."""
    database = Database(url)
    try:
        database.transaction(
            SCOPE,
            lambda session: operators.record(
                session,
                common.operator(),
                action="read",
                operation="backup",
                entity="Database",
                count=1,
                now=utc_now(),
            ),
        )
    finally:
        database.close()


def restore_command(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A backup.")],
    as_json: AsJson = False,
) -> None:
    """Restore a backup into an empty database and check it.

    Rows per table, the audit trail, the newest message and a query must be as they were; what fails
    is named.
    """
    began, current = time.monotonic(), settings.load()
    url, facts = current.resolved_database_url(), sealed_files.facts_of(file)
    if facts.get("database") != url.partition(":")[0].partition("+")[0]:
        raise Conflict(f"The backup is of {facts.get('database')}; HUB_DATABASE_URL is another.")
    owner = current.resolved_migration_url()
    backup.restore(owner, sealed_files.unseal(file, open_keys(current)))
    give_rights(owner, role_of(url))
    missing = [name for name, rows in backup.counted(url).items() if facts["counts"][name] != rows]
    if missing:
        raise Damaged(f"These tables have other numbers of rows: {', '.join(missing)}.")
    checked = "Rows agree"
    if facts["revision"] == head_revision():
        hub = open_hub(current)
        try:
            checked += f", {_checked(hub)}"
        finally:
            hub.close()
    else:
        checked += "; it is of another version, run `mso-hub migrate`, then `mso-hub audit verify`"
    seconds = time.monotonic() - began
    if as_json:
        found = {"made_at": facts["made_at"], "seconds": round(seconds, 3), "checked": checked}
        common.print_json(found)
    else:
        typer.echo(f"Restored as of {facts['made_at']} in {seconds:.1f} s. {checked}.")


def _checked(hub: Hub) -> str:
    with hub.database.read(SCOPE) as session:
        verdict = audit.verify(session)
        if not verdict.intact:
            raise Damaged(f"The audit trail breaks at event {verdict.bad_sequence}.")
        newest = session.scalar(
            select(InboundMessage)
            .where(InboundMessage.state != "expired")
            .order_by(InboundMessage.received_at.desc())
            .limit(1)
        )
        if newest is not None:
            inbox.raw(newest, hub.crypto)
        practices = session.scalar(select(func.count()).select_from(Practice))
    return f"{verdict.events} audit events are intact, messages can be read, {practices} practices"
