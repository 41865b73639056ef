"""TLS as an operator sets it: files named in the settings, a certificate named in the routing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from hub.domain.agreements import unrestricted_scope
from hub.entrypoints.cli.send import send
from hub.entrypoints.hub import open_hub
from hub.entrypoints.service import Service
from hub.errors import BadSetting
from hub.services import connections
from hub.settings import Settings
from hub.storage.session import ScopedSession
from hub.storage.tables import Practice

SCOPE = unrestricted_scope("test")
app = typer.Typer()
app.command()(send)


def seed(hub: Any) -> None:
    def work(session: ScopedSession) -> None:
        now = datetime.now(UTC)
        session.add(Practice(id="north", name="North", zone="UTC", created_at=now))
        session.flush()
        connections.add(
            session, hub.crypto, connection_id="ehr", name="EHR", connector_id="ehr_hl7v2",
            config={}, practices={"FAC1": "north"}, now=now,
            routing={"sending_application": "EHRA", "certificates": ["DNS:EHR.example"]},
        )  # fmt: skip

    hub.database.transaction(SCOPE, work)


def test_a_listener_set_up_for_tls_takes_the_sender_whose_certificate_is_named(
    authority: Callable[[str], Any],
    message: Callable[..., bytes],
    migrated_url: str,
    tmp_path: Path,
) -> None:
    own = authority("own")
    pair, ehr, other = (
        own.issue("listener"),
        own.issue("ehr", dns="ehr.example"),
        own.issue("other", dns="other.example"),
    )
    file = tmp_path / "message.hl7"
    file.write_bytes(message("C1"))
    settings = Settings(
        data_dir=tmp_path, database_url=migrated_url, mllp_port=0, mllp_tls_certificate=pair,
        mllp_tls_key=pair, mllp_tls_client_ca=own.path, log_level="error",
    )  # fmt: skip
    hub = open_hub(settings, exclusive=True, migrate=True)
    try:
        seed(hub)
        with Service(hub, ["mllp"]) as service:
            to = ["--to", f"127.0.0.1:{service.mllp_port}", "--timeout", "2"]
            trust = [str(file), *to, "--tls-ca", str(own.path), "--json"]
            named = CliRunner().invoke(app, [*trust, "--tls-cert", str(ehr)])
            stranger = CliRunner().invoke(app, [*trust, "--tls-cert", str(other)])
            plain = CliRunner().invoke(app, [str(file), *to, "--json"])
    finally:
        hub.close()
    assert (named.exit_code, '"codes":{"AA":1}' in named.output) == (0, True)
    for refused in (stranger, plain):
        assert (refused.exit_code, '"codes":{"none":1}' in refused.output) == (1, True)


def test_unusable_tls_files_stop_the_service_in_one_sentence(data_dir: Path) -> None:
    bad = data_dir / "bad.pem"
    bad.write_text("nothing")
    settings = Settings(
        data_dir=data_dir, mllp_port=0, mllp_tls_certificate=bad, mllp_tls_key=bad,
        log_level="error",
    )  # fmt: skip
    hub = open_hub(settings, exclusive=True, migrate=True)
    try:
        with pytest.raises(BadSetting, match="HUB_MLLP_TLS_CERTIFICATE"):
            Service(hub, ["mllp"]).start()
    finally:
        hub.close()
