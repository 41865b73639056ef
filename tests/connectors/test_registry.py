"""The registry: manifests without imports, imports on first use, one failure never spreads."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from connectors import registry
from connectors.registry import Registry
from hub.errors import ConfigError, NotFound

MANIFEST = """
id = "{id}"
name = "Example"
kind = "payroll"
contract = "1"
version = "1.0.0"
config_version = 1
owners = ["integration"]
tier = "core"
lifecycle = "beta"
homepage = ""
egress = ["*.vendor.example"]
capabilities = ["source"]
"""

CODE = """
from pydantic import Field
from connectors.sdk.base import CheckReport
from connectors.sdk.config import BaseUrl, ConnectorConfig, Secret

class Config(ConnectorConfig):
    base_url: BaseUrl
    client_secret: Secret
    page_size: int = Field(100, ge=1, le=500)

class Example:
    Config = Config
    def check(self, ctx): return CheckReport(())
    def streams(self): return ()
    def read(self, ctx, stream, cursor, window): return iter(())

connector = Example()
"""

GOOD = {"base_url": "https://api.vendor.example", "client_secret": "env:PAYROLL_SECRET"}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / "sample_connectors"
    folder.mkdir()
    (folder / "__init__.py").touch()
    yield folder
    for name in [
        name for name in sys.modules if name.startswith(("sample_connectors", "stranger"))
    ]:
        del sys.modules[name]


def add(root: Path, id: str, manifest: str = MANIFEST, code: str = CODE) -> None:
    folder = root / id
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "connector.toml").write_text(manifest.format(id=id))
    (folder / "connector.py").write_text(code)


def of(root: Path, *plugins: EntryPoint) -> Registry:
    return Registry(root, package="sample_connectors", plugins=plugins)


def test_listing_imports_no_connector_code(root: Path) -> None:
    add(root, "payroll_b", code="raise RuntimeError('imported')")
    add(root, "payroll_a")

    assert [m.id for m in of(root).manifests()] == ["payroll_a", "payroll_b"]
    assert not any(m.broken for m in of(root).manifests())
    assert "sample_connectors.payroll_b" not in sys.modules


def test_a_manifest_says_what_its_file_says(root: Path) -> None:
    add(root, "payroll_a")
    manifest = of(root).get("payroll_a")

    assert (manifest.kind, manifest.contract, manifest.config_version) == ("payroll", "1", 1)
    assert manifest.owners == ("integration",)
    assert manifest.egress == ("*.vendor.example",)
    assert manifest.capabilities == ("source",)
    assert manifest.webhook is None


def test_free_keys_of_the_webhook_table_become_parameters(root: Path) -> None:
    table = (
        '[webhook]\nscheme = "standard"\ntolerance_seconds = 300\nheader = "x-sig"\nhex = true\n'
    )
    add(root, "payroll_a", MANIFEST + table + 'content_types = ["text/xml"]\nmax_body_bytes = 9\n')
    webhook = of(root).get("payroll_a").webhook

    assert webhook is not None
    assert webhook.scheme == "standard"
    assert webhook.params == {"tolerance_seconds": 300, "header": "x-sig", "hex": True}
    assert webhook.content_types == ("text/xml",)
    assert webhook.max_body_bytes == 9


def test_a_webhook_body_is_limited_to_256_kibibytes_of_json_unless_told(root: Path) -> None:
    add(root, "payroll_a", MANIFEST + '[webhook]\nscheme = "standard"\n')
    webhook = of(root).get("payroll_a").webhook

    assert webhook is not None
    assert (webhook.max_body_bytes, webhook.content_types) == (262_144, ("application/json",))


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('kind = "payroll"', 'kind = "bank"', "kind"),
        ('kind = "payroll"', 'kind = "unknown"', "kind"),
        ('kind = "payroll"', "", "kind"),
        ('contract = "1"', 'contract = "2"', "contract"),
        ("config_version = 1", 'config_version = "first"', "config_version"),
        ('owners = ["integration"]', "owners = []", "owners"),
        ('tier = "core"', 'tier = "core"\ncolour = "red"', "colour"),
        ('egress = ["*.vendor.example"]', 'egress = ["https://x"]', "egress.0"),
        ('capabilities = ["source"]', 'capabilities = ["magic"]', "capabilities.0"),
        ('id = "{id}"', 'id = "payroll_other"', "id"),
        ('tier = "core"', 'tier = "core"\nbroken = "no"', "broken"),
        ('capabilities = ["source"]', 'capabilities = []\n[webhook]\nheader = "h"', "webhook"),
    ],
)
def test_a_wrong_manifest_is_listed_as_broken_naming_file_and_key(
    root: Path, old: str, new: str, key: str
) -> None:
    add(root, "payroll_a", MANIFEST.replace(old, new))
    add(root, "payroll_b")
    broken, fine = of(root).manifests()

    assert broken.id == "payroll_a"
    assert f"payroll_a/connector.toml: the key {key}" in broken.broken
    assert not fine.broken
    with pytest.raises(ConfigError, match=f"the key {key}"):
        of(root).load("payroll_a")


def test_a_manifest_that_is_not_toml_is_listed_as_broken(root: Path) -> None:
    add(root, "payroll_a", "id = ")

    assert "payroll_a/connector.toml is not TOML" in of(root).get("payroll_a").broken


def test_an_unknown_id_is_answered_with_near_names(root: Path) -> None:
    add(root, "payroll_a")
    add(root, "supply_x")

    with pytest.raises(NotFound, match=r'"payrol_a".*payroll_a') as caught:
        of(root).get("payrol_a")
    assert "supply_x" not in str(caught.value)
    with pytest.raises(NotFound, match="payroll_a, supply_x"):
        of(root).load("zzz")


def test_a_connector_is_imported_once(root: Path) -> None:
    add(root, "payroll_a")
    connectors = of(root)

    assert connectors.load("payroll_a") is connectors.load("payroll_a")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import no_such_module", "ModuleNotFoundError"),
        ("def broken(:", "SyntaxError"),
        ("raise SystemError('at import')", "SystemError: at import"),
        ("", 'no object named "connector"'),
        (CODE.replace("def read", "def reed"), "lists the capability source"),
    ],
)
def test_a_connector_that_cannot_be_imported_is_broken_and_the_others_stay_up(
    root: Path, code: str, reason: str
) -> None:
    add(root, "payroll_a", code=code)
    add(root, "payroll_b")
    connectors = of(root)

    for _ in range(2):
        with pytest.raises(ConfigError, match=reason):
            connectors.load("payroll_a")
    assert reason in connectors.get("payroll_a").broken
    assert connectors.load("payroll_b")
    assert not connectors.get("payroll_b").broken


def test_right_settings_become_the_connectors_own_model(root: Path) -> None:
    add(root, "payroll_a")
    config = of(root).validate_config("payroll_a", GOOD)

    assert config.model_dump() == {**GOOD, "page_size": 100}


@pytest.mark.parametrize(
    ("change", "field", "text"),
    [
        ({"client_secret": "hunter2"}, "client_secret", "must be a reference"),
        ({"base_url": "http://hunter2.example"}, "base_url", "must begin with https"),
        ({"page_size": "hunter2"}, "page_size", "breaks the rule int_parsing"),
        ({"page_size": 999}, "page_size", "must be at most 500"),
        ({"page_sise": "hunter2"}, "page_sise", "is not known"),
    ],
)
def test_a_wrong_setting_is_named_and_its_value_is_not_repeated(
    root: Path, change: dict[str, object], field: str, text: str
) -> None:
    add(root, "payroll_a")
    with pytest.raises(ConfigError, match=text) as caught:
        of(root).validate_config("payroll_a", {**GOOD, **change})

    assert caught.value.field == field
    assert caught.value.hint
    for said in (str(caught.value), caught.value.hint, repr(caught.value.__cause__)):
        assert "hunter2" not in said
        assert "999" not in said


def test_a_missing_setting_is_named(root: Path) -> None:
    add(root, "payroll_a")
    with pytest.raises(ConfigError, match="base_url is missing") as caught:
        of(root).validate_config("payroll_a", {"client_secret": "env:X"})

    assert caught.value.field == "base_url"


def test_a_misspelt_setting_gets_a_suggestion(root: Path) -> None:
    add(root, "payroll_a")
    with pytest.raises(ConfigError) as caught:
        of(root).validate_config("payroll_a", {**GOOD, "page_sise": 5})

    assert caught.value.hint == "Did you mean page_size?"


def test_the_schema_of_the_settings_marks_secrets(root: Path) -> None:
    add(root, "payroll_a")
    schema = of(root).config_schema("payroll_a")

    assert schema["additionalProperties"] is False
    assert schema["properties"]["client_secret"]["writeOnly"] is True
    assert "writeOnly" not in schema["properties"]["base_url"]


def test_a_plugin_of_another_distribution_is_listed_without_importing_it(root: Path) -> None:
    outside = root.parent / "stranger"
    outside.mkdir()
    (outside / "__init__.py").touch()
    add(outside, "payroll_z")
    plugin = EntryPoint("payroll_z", "stranger.payroll_z", registry.GROUP)
    connectors = of(root, plugin)

    assert connectors.get("payroll_z").broken == ""
    assert not any(name.startswith("stranger") for name in sys.modules)
    assert connectors.load("payroll_z")


def test_a_plugin_cannot_replace_a_connector_and_a_missing_one_is_broken(root: Path) -> None:
    add(root, "payroll_a")
    connectors = of(
        root,
        EntryPoint("payroll_a", "stranger.payroll_a", registry.GROUP),
        EntryPoint("payroll_gone", "stranger.payroll_gone", registry.GROUP),
    )

    assert connectors.package("payroll_a") == "sample_connectors.payroll_a"
    assert "cannot be read" in connectors.get("payroll_gone").broken


def test_every_connector_of_this_installation_loads() -> None:
    for manifest in registry.manifests():
        assert manifest.broken == "", manifest.broken
        assert registry.load(manifest.id)
        assert registry.config_schema(manifest.id)["properties"]
