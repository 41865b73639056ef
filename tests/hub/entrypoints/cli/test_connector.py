"""`mso-hub connector`: list, schema, docs and simulate, without a database."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

from typer.testing import CliRunner

from hub.entrypoints.cli.connector import app

ROOT = Path(__file__).parents[4]


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout, result.stderr


def test_list_prints_the_manifests_as_json() -> None:
    code, out, _ = run("list", "--json")
    found = {item["id"]: item for item in json.loads(out)["connectors"]}

    assert code == 0
    assert found["payroll_rest"]["kind"] == "payroll"
    assert found["payroll_rest"]["capabilities"] == ["source"]
    assert found["payroll_rest"]["broken"] is None


def test_list_prints_a_table() -> None:
    code, out, _ = run("list")

    assert code == 0
    assert "payroll" in out


def test_schema_prints_the_json_schema_of_the_settings() -> None:
    code, out, _ = run("schema", "payroll_rest")
    properties = json.loads(out)["properties"]

    assert code == 0
    assert properties["client_secret"]["writeOnly"] is True
    assert all(item["title"] and item["description"] for item in properties.values())


def test_docs_prints_the_page_with_streams_and_settings() -> None:
    code, out, _ = run("docs", "payroll_rest")

    assert code == 0
    assert "# Wagewright payroll" in out
    assert "| pay_statements | PayStatement | incremental | workers, payroll_runs |" in out
    assert "| client_secret | required | yes |" in out


def test_an_unknown_connector_is_one_sentence_on_stderr() -> None:
    for command in ("schema", "docs", "simulate"):
        code, out, err = run(command, "payrol_rest")

        assert code == 1
        assert out == ""
        assert err.startswith('mso-hub: There is no connector "payrol_rest".')
        assert "payroll_rest" in err
        assert len(err.splitlines()) == 1


def test_a_port_in_use_is_one_sentence_on_stderr() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, _, err = run("simulate", "payroll_rest", "--port", str(taken.getsockname()[1]))

    assert code == 1
    assert "cannot be used" in err


def test_simulate_serves_the_vendor_until_interrupted() -> None:
    program = "from hub.entrypoints.cli.connector import app; app()"
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", program, "simulate", "payroll_rest", "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout:
        assert select.select([process.stdout], [], [], 30)[0]
        url = process.stdout.readline().split(" at ")[1].split(";")[0]
        with urllib.request.urlopen(f"{url}/_control/requests") as answer:
            assert json.load(answer) == []
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(timeout=30) == 0
        assert "Stopped." in process.stdout.read()
