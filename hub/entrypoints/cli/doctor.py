"""`mso-hub doctor`."""

from __future__ import annotations

from dataclasses import asdict

import typer

from hub import settings
from hub.entrypoints import doctor as probes
from hub.entrypoints.cli import common
from hub.entrypoints.hub import utc_now


def doctor(as_json: common.AsJson = False) -> None:
    """Check settings, database, clock, key, ports, names, connectors; exit 1 on a fail."""
    findings = probes.examine(settings.load, utc_now)
    failed = [finding for finding in findings if finding.status == "fail"]
    rows = [asdict(finding) for finding in findings]
    if as_json:
        common.print_json({"ok": not failed, "probes": rows})
    else:
        columns = {"probe": "probe", "status": "status", "what is": "detail", "what to do": "hint"}
        common.print_rows(rows, columns)
    if failed:
        if not as_json:
            count = f"{len(failed)} probe{'s' if len(failed) > 1 else ''} failed"
            typer.echo(f"mso-hub: {count}: {', '.join(f.probe for f in failed)}.", err=True)
        raise typer.Exit(1)
