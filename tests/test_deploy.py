"""The files of docs/how-to/deploy name settings, roles and secrets that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hub import settings
from hub.entrypoints.service import ROLES
from hub.settings import Settings

FOLDER = Path(__file__).parents[1] / "docs/how-to/deploy"
COMPOSE = (FOLDER / "compose.yaml").read_text()
KNOWN = {f"HUB_{name.upper()}" for name in Settings.model_fields}


@pytest.mark.parametrize("file", ["compose.yaml", "Dockerfile", "../deploy.md"])
def test_every_setting_named_is_one(file: str) -> None:
    named = set(re.findall(r"\bHUB_[A-Z_]+\b", (FOLDER / file).read_text()))
    assert named
    assert named <= KNOWN


def test_each_role_is_served_by_a_service_of_its_own() -> None:
    served = re.findall(r"command: \[serve, --roles, (\w+)\]", COMPOSE)
    assert sorted(served) == sorted(ROLES)


def test_processes_share_a_folder_that_their_user_may_write_and_that_outlives_them() -> None:
    (each,) = re.findall(r"^x-hub: &hub\n(?:  .*\n)+", COMPOSE, re.MULTILINE)
    (folder,) = re.findall(r"volumes: \[data:(\S+)\]", each)
    image = (FOLDER / "Dockerfile").read_text()
    assert f"HUB_DATA_DIR={folder} " in image
    assert re.search(rf"--owner hub .*{folder}$", image, re.MULTILINE)
    assert re.search(r"\nvolumes:\n(  \w+:\n)*  data:\n", COMPOSE)


def test_the_server_has_room_for_the_connections_of_every_process() -> None:
    most = {"web": 24 + 32, "mllp": 24, "jobs": 24}
    said = (FOLDER / "../run-on-postgresql.md").read_text()
    assert "at most 24 per process for work and 32 for" in said
    wanted = 0
    for role, each in most.items():
        service = COMPOSE.partition(f"\n  {role}:\n")[2].partition("\n\n")[0]
        replicas = re.search(r"replicas: (\d+)", service)
        wanted += each * (int(replicas[1]) if replicas else 1)
    (room,) = re.findall(r"max_connections=(\d+)", COMPOSE)
    assert wanted <= int(room)


def test_every_secret_used_is_declared_and_every_one_declared_is_used() -> None:
    services, _, rest = COMPOSE.partition("\nsecrets:\n")
    declared = set(re.findall(r"^  (\w+): \{file: \./secrets/\1\}$", rest, re.MULTILINE))
    lists = re.findall(r"secrets: \[([^]]+)\]", services)
    used = {name for names in lists for name in re.split(r",\s+", names)}
    used |= set(re.findall(r"source: (\w+)", services))
    assert used == declared
    assert set(re.findall(r"/run/secrets/(\w+)", services)) <= declared


def test_every_file_that_is_mounted_is_there() -> None:
    mounted = re.findall(r"- \./([\w.]+):/", COMPOSE)
    assert mounted
    assert all((FOLDER / name).is_file() for name in mounted)


def test_a_setting_may_be_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hub_broker_url").write_text("amqp://hub:secret@rabbitmq:5672\n")
    monkeypatch.setenv("HUB_SECRETS_DIR", str(tmp_path))
    assert settings.load().broker_url == "amqp://hub:secret@rabbitmq:5672"
