"""Which host names the application answers under."""

from __future__ import annotations

import pytest

from hub.entrypoints.web import catalogue, hosts_of
from hub.settings import Settings


@pytest.mark.parametrize(
    ("settings", "host", "answered"),
    [
        ({}, "localhost", True),
        ({}, "hub.example", False),
        ({"public_url": "https://hub.example/x"}, "hub.example", True),
        ({"http_host": "0.0.0.0", "public_url": "https://hub.example"}, "evil.example", False),
        ({"http_host": "10.1.2.3"}, "10.1.2.3", True),
    ],
)
def test_the_hub_answers_under_its_own_names(settings, host, answered):
    assert (host in hosts_of(Settings(_env_file=None, **settings))) is answered


def test_listening_everywhere_without_a_public_name_answers_any():
    assert hosts_of(Settings(_env_file=None, http_host="0.0.0.0")) == ["*"]


def test_the_catalogue_lists_the_installed_connectors():
    assert "ehr_hl7v2" in {entry["id"] for entry in catalogue()}
