"""How the outcome of a check is told, of a connection or of a connector without one."""

from __future__ import annotations

from dataclasses import asdict

import typer

from connectors.sdk.base import CheckReport
from hub.entrypoints.cli import common

_COLUMNS = {
    "probe": "name", "result": "result", "ms": "milliseconds", "error": "error",
    "what to do": "hint",
}  # fmt: skip


def tell_probes(name: str, report: CheckReport, *, as_json: bool) -> None:
    """Print the probes; exit 1 with the first failure on stderr if there is one."""
    found = [asdict(probe) for probe in report.probes]
    if as_json:
        common.print_json({"ok": report.ok, "probes": found})
    else:
        rows = [{**probe, "result": "ok" if probe["ok"] else "failed"} for probe in found]
        common.print_rows(rows, _COLUMNS)
    failed = next((probe for probe in report.probes if not probe.ok), None)
    if failed is not None:
        if not as_json:
            typer.echo(f"mso-hub: {name}: {failed.error} {failed.hint}".rstrip(), err=True)
        raise typer.Exit(1)
