"""`mso-hub key`: the keys that encrypt, and the keys that wrap those."""

from __future__ import annotations

from typing import Annotated

import typer

from hub import settings
from hub.entrypoints.cli import common
from hub.entrypoints.cli.common import SCOPE, AsJson, Reason
from hub.errors import BadSetting
from hub.services import keys, practices
from hub.storage import data_keys
from hub.storage.key_encryption import KeyFile, open_keys
from hub.storage.session import ScopedSession

app = typer.Typer(no_args_is_help=True, help="Data keys and the key-encryption key.")

_COLUMNS = {
    "id": "id", "practice": "practice_id", "class": "data_class", "wrapped by": "kek_id",
    "uses": "uses", "created": "created_at", "destroyed": "destroyed_at",
}  # fmt: skip


@app.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List the data keys: whose they are, what they encrypt and which key wraps them."""
    with common.opened() as hub, hub.database.read(SCOPE) as session:
        rows = [common.fields_of(row, *_COLUMNS.values()) for row in data_keys.everything(session)]
    if as_json:
        common.print_json({"keys": rows})
    else:
        common.print_rows(rows, _COLUMNS)


@app.command()
def rotate(
    prepare: Annotated[
        bool, typer.Option(help="Only write the new key, to be copied to other machines first.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Wrap every data key with a new key-encryption key while the hub goes on working.

    The new key is written into HUB_KEY_FILE behind the old one, which stays until `key drop`. Run
    it again if it was interrupted. With HUB_KEY the new key is the last one of the variable.
    """
    source = open_keys(settings.load())
    if prepare:
        key_id = keys.prepare(_file(source))
        typer.echo(f"The key {key_id} waits; copy the file to every machine, then rotate.")
        return
    with common.opened() as hub:
        done = keys.rotate(hub.database, source, common.operator(), now=hub.now())
    if as_json:
        common.print_json({"kek_id": done.kek_id, "wrapped": done.wrapped})
    else:
        typer.echo(f"{done.wrapped} data keys are now wrapped by the key {done.kek_id}.")


@app.command()
def drop(
    key_id: Annotated[str, typer.Argument(help="A key-encryption key, as `key list` names it.")],
    as_json: AsJson = False,
) -> None:
    """Take a key-encryption key that wraps nothing any more out of HUB_KEY_FILE.

    Copies of the database made before the rotation cannot be read without it any more.
    """
    file = _file(open_keys(settings.load()))
    with common.opened() as hub:
        keys.drop(hub.database, file, key_id, common.operator(), now=hub.now())
    if as_json:
        common.print_json({"dropped": key_id})
    else:
        typer.echo(f"The key {key_id} is gone.")


@app.command()
def destroy(
    practice: Annotated[str, typer.Option(help="The practice's name or id.")],
    confirm: Annotated[str, typer.Option(help="The practice's name once more.")],
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Destroy the keys of a practice that left: its messages, files, secrets and references of
    consents become unreadable.

    There is no way back. Rotate and drop the key-encryption key afterwards, so that copies of the
    wrapped keys in backups cannot be unwrapped either.
    """

    def work(session: ScopedSession) -> int:
        return keys.destroy(
            session,
            practices.named(session, practice),
            common.operator(),
            confirmed=confirm,
            reason=reason,
            now=hub.now(),
        )

    with common.opened() as hub:
        count = hub.database.transaction(SCOPE, work)
    if as_json:
        common.print_json({"destroyed": count})
    else:
        typer.echo(f"{count} data keys are destroyed.")


def _file(source: object) -> KeyFile:
    if not isinstance(source, KeyFile):
        raise BadSetting("The keys come from HUB_KEY; change that variable instead.")
    return source
