"""Every connector of this installation passes the kit."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors import registry
from connectors.sdk.kit.conformance import conformance


@pytest.mark.parametrize("id", [manifest.id for manifest in registry.manifests()])
def test_a_connector_conforms(id: str) -> None:
    today = datetime.now(UTC).date()
    found = list(conformance(registry.installed(), id, today=today))

    assert {r.check: r.what for r in found if r.outcome == "failed"} == {}


def test_what_does_not_apply_is_never_called_passed() -> None:
    today = datetime.now(UTC).date()
    results = conformance(registry.installed(), "hl7v2_destination", today=today)
    found = {result.check: result.outcome for result in results}

    assert found["check_unreachable"] == "passed"
    assert found["pagination_terminates"] == "not applicable"
    assert found["401_maps_to_auth_and_stops"] == "not applicable"
