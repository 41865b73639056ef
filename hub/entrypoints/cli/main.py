"""`mso-hub`: every command, its exit code and how a failure is told.

Exit codes: 0 done, 1 failed, 2 wrong usage. A failure is one plain sentence on stderr.
"""

from __future__ import annotations

import os
import sys

import typer
from sqlalchemy.exc import OperationalError

from hub.entrypoints.cli import (
    backup,
    client,
    connection,
    connector,
    demo,
    doctor,
    hl7,
    job,
    key,
    message,
    outbound,
    purchasing,
    schema,
    send,
    service,
    x12,
)
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
app.command("backup")(backup.backup_command)
app.command("restore")(backup.restore_command)
app.command("doctor")(doctor.doctor)
app.command("send")(send.send)
app.command("simulate")(connector.simulate)
app.command("export-schema")(schema.export_schema)
app.add_typer(schema.audit_app, name="audit")
app.add_typer(client.app, name="client")
app.add_typer(connection.app, name="connection")
app.add_typer(message.app, name="message")
app.add_typer(outbound.app, name="outbound")
app.add_typer(job.app, name="job")
app.add_typer(key.app, name="key")
app.add_typer(connector.app, name="connector")
app.add_typer(hl7.app, name="hl7")
app.add_typer(x12.app, name="x12")
app.add_typer(purchasing.app, name="purchasing")


def main() -> None:
    """The console script."""
    try:
        code = app(standalone_mode=False)
    except typer.TyperException as error:
        _tell(getattr(error, "format_message", error.__str__)())
        sys.exit(getattr(error, "exit_code", 2))
    except HubError as error:
        _tell(str(error))
        sys.exit(1)
    except OperationalError:
        _tell("The database does not answer or is locked; run `mso-hub doctor`.")
        sys.exit(1)
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - nothing is left to be written
        sys.exit(1)
    except (KeyboardInterrupt, typer.Abort):
        _tell("interrupted.")
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)


def _tell(sentence: str) -> None:
    """A failure on stderr; the help that a command without arguments shows is no failure."""
    if sentence and "\n" not in sentence.strip():
        sentence = f"mso-hub: {sentence}"
    if sentence:
        typer.echo(sentence, err=True)
