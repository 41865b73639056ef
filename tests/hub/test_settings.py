"""Settings: one sentence for a bad one, and what production refuses by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from hub.entrypoints.hub import open_hub
from hub.errors import BadSetting
from hub.settings import Settings, doubts, is_loopback, load, refuse_unsafe

PROXY = "https://hub.example"
MLLP_TLS: dict[str, Any] = {
    "mllp_tls_certificate": Path("c.pem"),
    "mllp_tls_key": Path("k.pem"),
}


def production(**values: Any) -> Settings:
    values = {"key_file": Path("key.hex"), "public_url": PROXY, **values}
    return Settings(profile="production", **values)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("HUB_PROFILE", {"profile": "staging"}),
        ("HUB_DATABASE_URL", {"database_url": "nonsense"}),
        ("HUB_HTTP_PORT", {"http_port": 70000}),
        ("HUB_BROKER_URL", {"broker_url": "redis://"}),
        ("HUB_BROKER_NAMESPACE", {"broker_namespace": "a b"}),
        ("HUB_BROKER_URL", {"broker_url": "kafka://127.0.0.1"}),
        ("HUB_PUBLIC_URL", {"public_url": "hub.example"}),
        ("HUB_PUBLIC_URL", {"public_url": "https://[bad"}),
        ("HUB_METRICS_TOKEN", {"metrics_token": ""}),
        ("HUB_METRICS_TOKEN", {"metrics_token": "short"}),
        ("HUB_HTTP_HOST", {"http_host": ""}),
        ("HUB_MLLP_HOST", {"mllp_host": ""}),
        ("HUB_JOB_LEASE_SECONDS", {"job_lease_seconds": float("inf")}),
    ],
)
def test_an_unusable_setting_is_named_in_one_sentence(name: str, values: dict[str, Any]) -> None:
    with pytest.raises(BadSetting, match=rf"^The setting {name} is not usable: .*\.$"):
        load(**values)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("HUB_KEY_FILE", {"key_file": None}),
        ("HUB_PUBLIC_URL", {"public_url": "http://hub.example"}),
        ("HUB_PUBLIC_URL", {"public_url": "http://192.0.2.7:8000", "http_host": "192.0.2.7"}),
        ("HUB_HTTP_HOST", {"public_url": "", "http_host": "0.0.0.0"}),
        ("HUB_HTTP_HOST", {"public_url": "http://127.0.0.1", "http_host": "::"}),
        ("HUB_MLLP_HOST", {"mllp_host": "0.0.0.0"}),
        ("HUB_METRICS_HOST", {"metrics_host": "0.0.0.0"}),
        ("HUB_MLLP_TLS_CERTIFICATE", {"mllp_tls_certificate": Path("c.pem")}),
        ("HUB_MLLP_TLS_CLIENT_CA", {"mllp_tls_client_ca": Path("ca.pem")}),
    ],
)
def test_production_refuses_an_unsafe_setting_by_name(name: str, values: dict[str, Any]) -> None:
    with pytest.raises(BadSetting, match=rf"^{name} ") as refusal:
        refuse_unsafe(production(**values))
    assert str(refusal.value).count(". ") == 0


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"public_url": ""},
        {"public_url": "http://127.0.0.1:8000"},
        {"http_host": "0.0.0.0"},
        {"http_host": "::1", "public_url": ""},
        {"mllp_host": "0.0.0.0", **MLLP_TLS},
        {"metrics_host": "0.0.0.0", "metrics_token": SecretStr("let-me-in-please-now")},
    ],
)
def test_production_takes_what_is_safe(values: dict[str, Any]) -> None:
    refuse_unsafe(production(**values))


def test_the_demo_profile_is_not_looked_at() -> None:
    refuse_unsafe(Settings(public_url="http://hub.example", http_host="0.0.0.0"))


def test_production_on_sqlite_is_doubted_and_not_refused() -> None:
    refuse_unsafe(production())
    assert ["HUB_DATABASE_URL" in doubt for doubt in doubts(production())] == [True]
    assert doubts(production(database_url="postgresql://127.0.0.1/hub")) == []
    assert doubts(Settings()) == []


def test_production_that_asks_no_client_certificate_is_doubted() -> None:
    server = production(database_url="postgresql://127.0.0.1/hub", **MLLP_TLS)
    assert ["HUB_MLLP_TLS_CLIENT_CA" in doubt for doubt in doubts(server)] == [True]
    both = production(
        database_url="postgresql://127.0.0.1/hub",
        mllp_tls_client_ca=Path("ca.pem"),
        **MLLP_TLS,
    )
    assert doubts(both) == []


def test_proxies_are_networks_separated_by_commas() -> None:
    assert Settings().mllp_proxy_networks() == ()
    found = Settings(mllp_proxies="10.0.0.0/8, 192.0.2.1/32").mllp_proxy_networks()
    assert found == ("10.0.0.0/8", "192.0.2.1/32")
    with pytest.raises(BadSetting, match="HUB_MLLP_PROXIES is not usable: must be networks"):
        load(mllp_proxies="proxy.example")


def test_production_never_writes_itself_a_key(tmp_path: Path) -> None:
    key_file = tmp_path / "key.hex"
    with pytest.raises(BadSetting, match="HUB_KEY_FILE: there is no key"):
        open_hub(production(data_dir=tmp_path, key_file=key_file), migrate=True)
    with pytest.raises(BadSetting, match="HUB_KEY_FILE must be set"):
        open_hub(production(data_dir=tmp_path, key_file=None), migrate=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("::", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_only_this_machine_is_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize("kind", ["missing", "file", "unreadable"])
def test_a_secrets_folder_that_cannot_be_read_is_one_sentence(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "secrets"
    if kind == "file":
        folder.touch()
    elif kind == "unreadable":
        folder.mkdir()
        (folder / "HUB_HTTP_PORT").write_bytes(b"\xff\xfe")
    monkeypatch.setenv("HUB_SECRETS_DIR", str(folder))
    with pytest.raises(BadSetting, match=r"^The setting.* HUB_SECRETS_DIR .*\.$"):
        load()


def test_a_variable_named_almost_like_a_setting_is_told_and_others_are_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HUB_VENDOR_SECRET", "for a reference env:HUB_VENDOR_SECRET")
    assert doubts(Settings()) == []
    monkeypatch.setenv("HUB_DATABSE_URL", "postgresql://127.0.0.1/hub")
    assert doubts(Settings()) == ["HUB_DATABSE_URL is no setting; HUB_DATABASE_URL is."]
