"""The demonstration's credentials: the MSO app's, one per practice, and the webhooks' secrets.

They lie in ``demo-credentials.json`` beside the data, readable by its owner only, so that a
second run and a curious reader can use them.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from pathlib import Path

from sqlalchemy import delete

from hub.auth.credentials import create_client, list_clients
from hub.domain.agreements import PrincipalKind, Purpose, unrestricted_scope
from hub.entrypoints.demo.seed import SUPPLIER_NAMES
from hub.entrypoints.demo.world import World
from hub.entrypoints.hub import Hub
from hub.storage.session import ScopedSession
from hub.storage.tables import Client

FILE = "demo-credentials.json"
MSO_APP = "demo MSO app"
_SCOPE = unrestricted_scope("demonstration credentials")


def read(data_dir: Path) -> dict[str, str]:
    """What earlier runs stored: name of credential or secret -> value."""
    file = data_dir / FILE
    stored: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    return stored


def webhook_secrets(data_dir: Path) -> dict[str, str]:
    """Endpoint tokens and signing secrets of the supply vendors, made on the first run."""
    stored = read(data_dir)
    for connector_id in SUPPLIER_NAMES:
        stored.setdefault(f"{connector_id}.endpoint", secrets.token_urlsafe(24))
        random = base64.b64encode(secrets.token_bytes(24)).decode()
        prefix = "whsec_" if connector_id == "supply_rest" else ""
        stored.setdefault(f"{connector_id}.webhook", prefix + random)
    _write(data_dir, stored)
    return stored


def credentials(hub: Hub, world: World, data_dir: Path) -> dict[str, str]:
    """The API keys by name; made where one is missing on either side."""
    stored = read(data_dir)
    wanted: dict[str, str | None] = {MSO_APP: None}
    wanted.update({practice_app(p.name): p.id for p in world.practices})

    def work(session: ScopedSession) -> dict[str, str]:
        known = {client.name for client in list_clients(session) if client.revoked_at is None}
        made = {}
        for name, practice_id in wanted.items():
            if name in known and name in stored:
                continue
            session.execute(delete(Client).where(Client.name == name))
            kind = PrincipalKind.PRACTICE_APP if practice_id else PrincipalKind.MSO_APP
            purposes = (Purpose.OPERATIONS, Purpose.PAYMENT, Purpose.PURCHASING)
            _, made[name] = create_client(
                session,
                name,
                kind,
                practice_id,
                now=hub.now(),
                purposes=purposes,
                write=True,
                approve=True,
            )
        return made

    made = hub.database.transaction(_SCOPE, work)
    _write(data_dir, stored | made)
    return {name: (stored | made)[name] for name in wanted}


def practice_app(practice_name: str) -> str:
    return f"demo app of {practice_name}"


def _write(data_dir: Path, values: dict[str, str]) -> None:
    temporary = data_dir / f"{FILE}.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        json.dump(values, handle, indent=2)
    temporary.replace(data_dir / FILE)
