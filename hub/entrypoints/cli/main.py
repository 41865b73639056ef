"""`mso-hub`: every command, its exit code and how a failure is told.

Exit codes: 0 done, 1 failed, 2 wrong usage. A failure is one plain sentence on stderr.
"""

from __future__ import annotations

import sys

import typer

from hub.entrypoints.cli import client, connector, demo, hl7, purchasing, schema, send, service, x12
from hub.errors import HubError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The integration hub of a healthcare management services organization.",
)
app.command("demo")(demo.demo)
app.command("serve")(service.serve)
app.command("migrate")(service.migrate)
app.command("send")(send.send)
app.command("simulate")(connector.simulate)
app.command("export-schema")(schema.export_schema)
app.add_typer(schema.audit_app, name="audit")
app.add_typer(client.app, name="client")
app.command("export-schema")(schema.export_schema)
app.add_typer(client.app, name="client")
app.add_typer(schema.audit_app, name="audit")
app.add_typer(connector.app, name="connector")
app.add_typer(hl7.app, name="hl7")
app.add_typer(x12.app, name="x12")
app.add_typer(purchasing.app, name="purchasing")


def main() -> None:
    """The console script."""
    try:
        app()
    except HubError as error:
        typer.echo(f"mso-hub: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        typer.echo("mso-hub: interrupted.", err=True)
        sys.exit(130)
