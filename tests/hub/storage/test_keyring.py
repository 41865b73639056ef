"""Data keys: made before use, shared, counted, bound to their place, and rotated under load."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from hub.domain.agreements import unrestricted_scope
from hub.services import keys
from hub.services.operators import Operator
from hub.storage import data_keys, keyring
from hub.storage.crypto import Crypto, Damaged
from hub.storage.data_keys import Destroyed
from hub.storage.key_encryption import HeldKeys, KeyFile, LocalKey, LostKey
from hub.storage.keyring import Keyring
from hub.storage.session import Database
from hub.storage.tables import DataKey, Practice

SCOPE = unrestricted_scope("test")
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
FIRST = bytes(range(32))
PLACE = "inbox.raw:one"


def clock() -> datetime:
    return NOON


def opened(database: Database, *given: bytes) -> Crypto:
    return Crypto(Keyring(HeldKeys([LocalKey(key) for key in given or (FIRST,)]), database, clock))


def sealed(database: Database, crypto: Crypto, practice: str | None = None) -> bytes:
    return database.transaction(SCOPE, lambda _: crypto.encrypt(b"text", PLACE, practice))


def rows(database: Database) -> list[DataKey]:
    with database.read(SCOPE) as session:
        return list(session.scalars(select(DataKey).where(DataKey.data_class == "messages")))


@pytest.fixture
def practice(database: Database) -> str:
    row = Practice(id="north", name="North", zone="UTC", created_at=NOON)
    database.transaction(SCOPE, lambda session: session.add(row))
    return "north"


def test_what_one_process_encrypts_another_reads(database: Database, practice: str) -> None:
    ciphertext = sealed(database, opened(database), practice)

    assert opened(database).decrypt(ciphertext, PLACE) == b"text"


def test_a_stored_key_is_used_without_asking_the_database_again(
    database: Database, practice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever decrypts may hold a connection: many at once would wait for a second one for ever."""
    ciphertext, crypto = sealed(database, opened(database), practice), opened(database)
    monkeypatch.setattr(database, "read", None)

    assert crypto.decrypt(ciphertext, PLACE) == b"text"


def test_while_one_reads_the_keys_again_the_others_go_on(
    database: Database, practice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyring, "REFRESH_SECONDS", 0.0)
    ciphertext, crypto = sealed(database, opened(database), practice), opened(database)
    asked, answered, read = threading.Event(), threading.Event(), database.read

    def slow(*given: Any) -> Any:
        asked.set()
        answered.wait(30)
        return read(*given)

    monkeypatch.setattr(database, "read", slow)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(crypto.decrypt, ciphertext, PLACE)
        assert asked.wait(30)
        assert crypto.decrypt(ciphertext, PLACE) == b"text"
        answered.set()
        assert first.result() == b"text"


def test_each_practice_has_a_key_of_its_own_per_class(database: Database, practice: str) -> None:
    crypto = opened(database)

    sealed(database, crypto, practice), sealed(database, crypto, practice), sealed(database, crypto)

    assert sorted(row.practice_id or "" for row in rows(database)) == ["", practice]


def test_work_that_needs_a_key_is_run_again_and_its_neighbours_are_kept(
    database: Database, practice: str
) -> None:
    crypto = opened(database)
    futures = [
        database.submit(SCOPE, lambda _, p=p: crypto.encrypt(b"text", PLACE, p))
        for p in (None, practice, None, practice)
    ]

    assert {crypto.decrypt(each.result(), PLACE) for each in futures} == {b"text"}
    assert len(rows(database)) == 2


def test_work_rolled_back_leaves_a_key_that_can_be_used(database: Database) -> None:
    crypto = opened(database)

    def fails(_: object) -> None:
        crypto.encrypt(b"text", PLACE)
        raise ValueError("undone")

    with pytest.raises(ValueError, match="undone"):
        database.transaction(SCOPE, fails)

    assert opened(database).decrypt(sealed(database, crypto), PLACE) == b"text"


def test_a_ciphertext_moved_to_another_row_or_changed_by_one_bit_is_refused(
    database: Database,
) -> None:
    crypto = opened(database)
    ciphertext = sealed(database, crypto)
    changed = ciphertext[:-1] + bytes([ciphertext[-1] ^ 1])

    with pytest.raises(Damaged):
        crypto.decrypt(ciphertext, "inbox.raw:two")
    with pytest.raises(Damaged):
        crypto.decrypt(changed, PLACE)
    with pytest.raises(Damaged):
        crypto.decrypt(ciphertext[:10], PLACE)


def test_a_data_key_moved_to_another_practice_opens_nothing(
    database: Database, practice: str
) -> None:
    ciphertext = sealed(database, opened(database))
    statement = update(DataKey).where(DataKey.data_class == "messages")
    database.transaction(SCOPE, lambda s: s.execute(statement.values(practice_id=practice)))

    with pytest.raises(LostKey):
        opened(database).decrypt(ciphertext, PLACE)


def test_a_key_whose_uses_are_spent_is_followed_by_a_new_one(database: Database) -> None:
    sealed(database, opened(database))
    spent = data_keys.MOST_USES - data_keys.BLOCK + 1
    statement = update(DataKey).where(DataKey.data_class == "messages").values(uses=spent)
    database.transaction(SCOPE, lambda session: session.execute(statement))

    sealed(database, opened(database))

    assert len(rows(database)) == 2


def test_a_process_takes_another_block_when_its_own_is_used_up(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_keys, "BLOCK", 2)
    crypto = opened(database)

    for _ in range(5):
        sealed(database, crypto)

    assert [row.uses for row in rows(database)] == [6]


def test_ciphertexts_and_digests_from_before_data_keys_stay_readable_after_a_rotation(
    database: Database, tmp_path: Path
) -> None:
    before = Crypto(FIRST)
    ciphertext, digest = before.encrypt(b"text", PLACE), before.digest("record 1")
    file = key_file(tmp_path)
    Keyring(file, database, clock)
    rotated = keys.rotate(database, file, Operator("olga"), now=NOON)
    keys.drop(database, file, LocalKey(FIRST).key_id, Operator("olga"), now=NOON)

    crypto = Crypto(Keyring(KeyFile(file.path), database, clock))

    assert rotated.kek_id != LocalKey(FIRST).key_id
    assert crypto.decrypt(ciphertext, PLACE) == b"text"
    assert crypto.digest("record 1") == digest


class RemoteKey:
    """A key of a key management service: it wraps and unwraps there, and is never seen here."""

    def __init__(self, key_id: str) -> None:
        self.key_id = key_id
        self._wrapped: dict[bytes, tuple[bytes, str]] = {}

    def wrap(self, key: bytes, identity: str) -> bytes:
        handle = os.urandom(16)
        self._wrapped[handle] = key, identity
        return handle

    def unwrap(self, wrapped: bytes, identity: str) -> bytes:
        key, bound = self._wrapped[wrapped]
        assert bound == identity
        return key


class RemoteKeys:
    """The keys of that service, the last one wrapping."""

    def __init__(self, *keys: RemoteKey) -> None:
        self.keys = list(keys)

    def current(self) -> RemoteKey:
        return self.keys[-1]

    def find(self, key_id: str) -> RemoteKey | None:
        return next((key for key in self.keys if key.key_id == key_id), None)


def test_a_key_service_that_hands_out_no_key_serves_as_well(database: Database) -> None:
    service = RemoteKeys(RemoteKey("one"))
    crypto = Crypto(Keyring(service, database, clock))
    ciphertext, digest = sealed(database, crypto), crypto.digest("record 1")
    service.keys.append(RemoteKey("two"))

    rotated = keys.rotate(database, service, Operator("olga"), now=NOON)

    service.keys.pop(0)
    again = Crypto(Keyring(service, database, clock))
    assert rotated.kek_id == "two"
    assert again.decrypt(ciphertext, PLACE) == b"text"
    assert again.digest("record 1") == digest


def key_file(folder: Path) -> KeyFile:
    path = folder / "key.hex"
    path.write_text(FIRST.hex())
    path.chmod(0o600)
    return KeyFile(path)


def test_no_read_or_write_fails_while_the_key_is_rotated(
    database: Database, tmp_path: Path, practice: str
) -> None:
    file = key_file(tmp_path)
    stop, failures, done = threading.Event(), [], []

    def work() -> None:
        while not stop.is_set():
            try:
                writer = Crypto(Keyring(KeyFile(file.path), database, clock))
                ciphertext = sealed(database, writer, practice)
                reader = Crypto(Keyring(KeyFile(file.path), database, clock))
                done.append(reader.decrypt(ciphertext, PLACE) == b"text")
            except BaseException as error:
                failures.append(error)
                return

    worker = threading.Thread(target=work)
    worker.start()
    for _ in range(3):
        keys.rotate(database, KeyFile(file.path), Operator("olga"), now=NOON)
    stop.set()
    worker.join()

    assert failures == []
    assert done
    assert all(done)
    assert {row.kek_id for row in rows(database)} == {file.current().key_id}


def test_an_interrupted_rotation_is_gone_on_with(database: Database, tmp_path: Path) -> None:
    file = key_file(tmp_path)
    crypto = Crypto(Keyring(file, database, clock))
    ciphertext = sealed(database, crypto)
    file.add(waits=False)
    database.transaction(SCOPE, lambda session: data_keys.wrap_again(session, file, limit=1))
    half = KeyFile(file.path)

    done = keys.rotate(database, half, Operator("olga"), now=NOON)

    assert done.kek_id == file.current().key_id
    assert done.wrapped == 2
    assert Crypto(Keyring(half, database, clock)).decrypt(ciphertext, PLACE) == b"text"


def test_a_prepared_key_wraps_only_once_the_rotation_begins(
    database: Database, tmp_path: Path
) -> None:
    file = key_file(tmp_path)
    waiting = keys.prepare(file)
    sealed(database, Crypto(Keyring(file, database, clock)))

    assert {row.kek_id for row in rows(database)} == {LocalKey(FIRST).key_id}
    assert keys.rotate(database, file, Operator("olga"), now=NOON).kek_id == waiting


def test_a_key_that_is_lost_is_named(database: Database) -> None:
    sealed(database, opened(database))

    with pytest.raises(LostKey, match=LocalKey(FIRST).key_id):
        opened(database, os.urandom(32))


def test_what_a_destroyed_key_encrypted_can_be_read_by_nobody(
    database: Database, practice: str
) -> None:
    crypto = opened(database)
    theirs, ours = sealed(database, crypto, practice), sealed(database, crypto)
    database.transaction(SCOPE, lambda session: data_keys.destroy(session, practice, now=NOON))

    again = opened(database)

    with pytest.raises(Destroyed):
        again.decrypt(theirs, PLACE)
    assert again.decrypt(ours, PLACE) == b"text"
