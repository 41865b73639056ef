from __future__ import annotations

import hmac

import pytest

from hub.storage.keyed_digest import KeyedDigest


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 2047, 2048, 5000, 70_000])
@pytest.mark.parametrize("key", [b"k" * 32, b"k" * 64, b"k" * 100])
def test_it_is_hmac_with_sha_256(size: int, key: bytes) -> None:
    data = bytes(number % 251 for number in range(size))
    assert KeyedDigest(key).hex(data) == hmac.digest(key, data, "sha256").hex()
    assert KeyedDigest(key).digest(data) == hmac.digest(key, data, "sha256")
