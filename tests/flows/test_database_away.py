"""A listener whose database is gone for a while: nothing is accepted that is not stored, and
nobody has to restart it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, select
from sqlalchemy.engine import make_url

from connectors.sdk.hl7v2.client import MllpClient
from hub.domain.agreements import unrestricted_scope
from hub.entrypoints.hub import Hub, utc_now
from hub.entrypoints.service import Service
from hub.services.intake import Intake
from hub.settings import Settings
from hub.storage import inbox
from hub.storage.crypto import Crypto
from hub.storage.key_encryption import HeldKeys, LocalKey
from hub.storage.keyring import Keyring
from hub.storage.session import Database
from hub.storage.tables import InboundMessage
from tests.conftest import POSTGRESQL
from tests.polling import wait_until

pytestmark = pytest.mark.end_to_end
SCOPE = unrestricted_scope("test")
LONGEST = 30.0


@pytest.fixture
def hub(database: Database, tmp_path: Path, seed_hub: Callable[[Hub, str], Any]) -> Hub:
    settings = Settings(data_dir=tmp_path, http_port=0, mllp_port=0, log_level="error")
    keys = HeldKeys([LocalKey(bytes(range(32)))])
    crypto = Crypto(Keyring(keys, database, utc_now))
    made = Hub(settings, database, crypto, Intake(database, crypto, utc_now), utc_now)
    seed_hub(made, "http://127.0.0.1:9")
    return made


@contextmanager
def away(database_url: str) -> Iterator[None]:
    """PostgreSQL ends every connection and takes no new one; SQLite cannot be written."""
    url = make_url(database_url)
    if url.drivername == "sqlite":
        file = sqlite3.connect(str(url.database), isolation_level=None, timeout=LONGEST)
        file.execute("ALTER TABLE inbox RENAME TO inbox_away")
        try:
            yield
        finally:
            file.execute("ALTER TABLE inbox_away RENAME TO inbox")
            file.close()
        return
    server = create_engine(POSTGRESQL, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS false")
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            (url.database,),
        )
        try:
            yield
        finally:
            connection.exec_driver_sql(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS true")
    server.dispose()


def test_while_the_database_is_away_nothing_is_accepted_and_then_it_goes_on(
    hub: Hub, message: Callable[..., bytes]
) -> None:
    accepted: list[bytes] = []
    with (
        Service(hub, roles=("mllp",)) as service,
        MllpClient("127.0.0.1", service.mllp_port, attempts=1) as line,
        MllpClient("127.0.0.1", service.mllp_port, attempts=1) as other,
    ):
        for client, number in ((line, 1), (other, 2)):
            assert client.send(message(number)).code == "AA"
            accepted.append(message(number))
        with away(hub.database.url):
            for client, number in ((line, 3), (other, 4), (line, 5)):
                assert client.send(message(number)).code == "AE"
        for client, number in ((line, 3), (other, 4), (line, 5), (other, 6)):
            content = message(number)
            wait_until(lambda c=client, m=content: c.send(m).code == "AA")  # type: ignore[misc]
            accepted.append(content)
    with hub.database.read(SCOPE) as session:
        rows = session.scalars(select(InboundMessage)).all()
        assert sorted(inbox.raw(row, hub.crypto) for row in rows) == sorted(accepted)
