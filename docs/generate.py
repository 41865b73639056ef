"""Writes the reference pages that are read from the program: ``make docs``.

`tests/test_docs.py` fails while a committed page differs from what this gives.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace, UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

import typer.main

from connectors.sdk.kit.conformance import CHECKS
from hub import errors
from hub.domain.jobs import Job, JobState
from hub.entrypoints.cli import main
from hub.errors import HubError
from hub.services.apply import HANDLERS
from hub.settings import Settings
from hub.storage import finishing, queue
from hub.storage.queue import ClaimedJob
from jobs.actors import ACTORS
from jobs.context import JobContext
from jobs.outcome import classify
from jobs.schedule import SCHEDULES
from schema import describe
from schema.mapping.limits import CostExceeded
from schema.mapping.mutate import COMMON_INPUTS
from schema.mapping.values import LARGEST_PAGE
from schema.root import hub_schema

FOLDER = Path(__file__).resolve().parent / "reference"
NOTICE = "<!-- Written by docs/generate.py from the program; run `make docs` after a change. -->"
NOW = datetime(2026, 1, 1, tzinfo=UTC)

JOB_STATES = {
    JobState.READY: "waits for its time, its lane or a free worker",
    JobState.RUNNING: "held by one worker under a lease",
    JobState.DONE: "its effects are committed",
    JobState.DEAD: "given up; stays until a person retries it",
    JobState.CANCELLED: "withdrawn before or while it ran",
}


WHAT_TO_DO = {
    "BAD_INPUT": "Correct the request; the text names the place and the rule. Sending it again "
    "unchanged gives the same answer.",
    "BAD_SETTING": "Set the variable the text names; [Settings](settings.md) lists them all.",
    "CONFLICT": "Read the object again: its state moved on, or the name or the key is taken. Then "
    "decide; nothing was changed.",
    "COST_EXCEEDED": "Ask for smaller pages, fewer lists inside lists, or fewer totals. A whole "
    "list is for `startExport`.",
    "BAD_ENVELOPE": "Somebody else than the hub wrote or changed a row of the job table. The "
    "job was not run, and the audit trail says so; find out who may write to the database.",
    "FORBIDDEN": "The credential, its purpose or the practice's agreement does not allow this. Ask "
    "whoever registered the credential; the attempt is in the audit trail.",
    "HALTED": "Correct the cause and replay the message, or cancel its job to skip it; what waited "
    "goes on.",
    "HELD": "Resume the connection (`resumeConnection`, `mso-hub connection resume`); what waited "
    "goes on by itself.",
    "IGNORED": "Nothing: it was understood and is not wanted.",
    "INTERNAL": "Quote the `errorId` to the hub's operator, who finds it in the log.",
    "NOT_FOUND": "Check the id; a mutation names the input field that holds it. Missing, foreign "
    "and not granted give the same answer on purpose.",
    "RATE_LIMITED": "Wait as long as `Retry-After` says, then send the same request again.",
    "TOO_SLOW": "Ask for less: smaller pages, fewer nested lists, a filter on an indexed field.",
    "UNAUTHENTICATED": "Send `Authorization: Bearer <key>` with a key that is not revoked.",
    "UPSTREAM": "A vendor did not answer or refused. Temporary trouble is repeated by itself; "
    "otherwise the connection shows what a person must do.",
}


def settings_page() -> str:
    """Every setting with its default and help."""
    rows = [
        (f"`{variable(name)}`", _default(field.get_default()), field.description or "")
        for name, field in Settings.model_fields.items()
    ]
    return _page(
        "Settings",
        "Environment variables, also read from a file `.env` in the working directory. A value that"
        " cannot be used stops the program with one sentence that names the setting.",
        _table(("Variable", "Default", "Meaning"), rows),
    )


def variable(field: str) -> str:
    """The environment variable of a field of `Settings`."""
    return f"HUB_{field.upper()}"


def jobs_page() -> str:
    """Every job, the schedules, the states and how often a failed job is tried."""
    rows = [
        (f"`{job}`", _first_sentences(ACTORS[job].run), f"{ACTORS[job].time_limit // 60_000} min")
        for job in Job
    ]
    schedules = [
        (f"`{spec.name}`", f"`{spec.cron}`", spec.zone, f"`{spec.job}`") for spec in SCHEDULES
    ]
    states = [(f"`{state}`", JOB_STATES[state]) for state in JobState]
    attempts = inspect.signature(queue.add).parameters["max_attempts"].default
    return _page(
        "Jobs",
        "A job is a row, written in the transaction that made it necessary. Its name is the name of"
        " the function in `jobs/` that runs it; its arguments are ids.",
        _table(("Job", "What it does", "Time limit"), rows),
        "## Schedules",
        "A cron line in its own time zone fires once per tick, whichever process is up. Ticks"
        " missed while the hub was down fire once.",
        _table(("Schedule", "Cron", "Zone", "Job"), schedules),
        "## States",
        _table(("State", "Meaning"), states),
        "## Attempts",
        f"A failed attempt is repeated after one second plus a random share of a pause that doubles"
        f" from {finishing.RETRY_BASE.seconds} s up to {finishing.RETRY_CAP.seconds // 3600} h, or"
        f" when the vendor's `Retry-After` says, if that is later. After {attempts} attempts the"
        f" job is dead. [Errors](errors.md) says which failures are repeated. Finished jobs are"
        " deleted after HUB_KEEP_JOBS_DAYS, dead ones never by themselves.",
    )


def errors_page() -> str:
    """Every error class with its code, its HTTP status and what the job queue does."""
    rows = [
        (
            f"`{kind.__name__}`",
            f"`{kind.code}`",
            str(kind.http_status),
            job_outcome(kind),
            _first_sentences(kind),
        )
        for kind in error_classes()
    ]
    return _page(
        "Errors",
        "An error says what happens next. The code is the fixed word that clients and operators"
        " see; the text is a sentence for whoever must act and never carries a value of a patient"
        " or of pay.",
        _table(("Class", "Code", "HTTP", "A job that raises it", "Meaning"), rows),
        "## Codes of the job queue",
        "A dead or waiting job shows one of the codes above, or one of these.",
        _table(
            ("Code", "Meaning"),
            [
                ("`RATE_LIMITED`", "the vendor limits the rate; parked, costs no attempt"),
                (
                    "`HALTED`",
                    "its message holds what follows it; looks again each hour, costs no attempt",
                ),
                ("`HELD`", "its connection is paused; waits until it is resumed, costs no attempt"),
                ("`DEADLINE`", "the allowed time was nearly used up; goes on at once"),
                ("`TIME_LIMIT`", "the actor ran longer than its limit and was interrupted"),
                ("`INTERNAL`", "a fault of the hub; the log has its type and the job's id"),
                ("`worker_lost`", "the worker died or hung on every attempt"),
            ],
        ),
        "## What to do about each code",
        "In GraphQL the code stands in `extensions.code` beside an `errorId`, and in the `code` of"
        " a mutation's `UserErrors`.",
        *(part for code in codes() for part in (f"### {code}", WHAT_TO_DO[code])),
    )


def commands_page() -> str:
    """Every command with its arguments and options, as its ``--help`` has them."""
    parts = []
    for name, command in leaf_commands(typer.main.get_command(main.commands())):
        parts += [f"## `{name}`", command.help or ""]
        rows = [_parameter(parameter) for parameter in command.params if parameter.name != "help"]
        if rows:
            parts.append(_table(("Argument or option", "Needed", "Meaning"), rows))
    return _page(
        "Commands",
        "`mso-hub` (or `python -m hub`). Every command takes `--help`. It exits with 0 when done, 1"
        " when it failed and 2 when it was used wrongly; a failure is one plain sentence on stderr."
        " `--json` prints what a program may read. No list shows the content of a message. Showing"
        " it, looking for a patient's messages, replaying messages, retrying or cancelling jobs,"
        " changing a connection and backing up leave an audit event with the name of the operating"
        " system's user.",
        *parts,
    )


def leaf_commands(command: Any, name: str = "mso-hub") -> Iterator[tuple[str, Any]]:
    """Full name and command of everything that does something, groups left out."""
    below = getattr(command, "commands", None)
    if below is None:
        yield name, command
        return
    for word in sorted(below):
        yield from leaf_commands(below[word], f"{name} {word}")


def _parameter(parameter: Any) -> tuple[str, str, str]:
    is_option = parameter.opts[0].startswith("-")
    shown = ", ".join(parameter.opts) if is_option else parameter.name.upper()
    text = (parameter.help or "").replace("|", "\\|")
    return f"`{shown}`", "yes" if parameter.required else "", text


def schema_page() -> str:
    """Every type with its fields and their data class, and every mutation."""
    schema = hub_schema()
    parts = []
    for item in describe.described_types(schema):
        parts += [f"### {item.name}", "\n".join(f"- {fact}" for fact in item.facts)]
        parts.append(_table(("Field", "Type", "Data class", "Notes"), item.members))
    common = [f"`{name}`: {text}" for name, (_, text) in COMMON_INPUTS.items()]
    return _page(
        "GraphQL schema",
        "The text for tools is `schema/schema.graphql`. A field whose data class a credential lacks"
        " does not exist for it. Lists are Relay connections: `first` (25 unless stated, at most"
        f" {LARGEST_PAGE}), `after`, `where`, `orderBy`. [Ten queries](../tutorial/ten-queries.md)"
        " shows how they work together; [Errors](errors.md) says what to do about each code.",
        "## Types",
        *parts,
        "## Mutations",
        "Each takes one `input` and gives a payload or `UserErrors`. Every input also has:",
        "\n".join(f"- {line}" for line in common),
        _table(
            ("Mutation", "Input", "Payload", "What it does"),
            list(describe.described_mutations(schema)),
        ),
    )


def records_page() -> str:
    """Every record a connector may return, then what stands in them, with their fields."""
    records = sorted(HANDLERS, key=lambda kind: (kind.__module__, kind.__name__))
    parts = dict.fromkeys(part for record in records for part in _inner(record))
    inner = sorted(set(parts) - set(records), key=lambda kind: kind.__name__)
    return _page(
        "Records",
        "What a connector may return as the `data` of a `Record`: the engine stores a record by "
        "its type. `None` means that the source may not have said. Amounts are `Decimal`, times "
        "have their zone, days are `date`.",
        *(_record_section(record) for record in records),
        "## What stands in them",
        *(_record_section(part, "###") for part in inner),
    )


def _record_section(record: type, level: str = "##") -> str:
    hints = get_type_hints(record)
    rows = [
        (f"`{one.name}`", _type_text(hints[one.name]), _given(one))
        for one in fields(record)  # type: ignore[arg-type]
    ]
    told = f"`{record.__module__}`. {_first_sentences(record)}"
    if (record.__doc__ or "").startswith(f"{record.__name__}("):  # written by dataclass itself
        told = f"`{record.__module__}`."
    table = _table(("Field", "Type", "Default"), rows)
    return f"{level} `{record.__name__}`\n\n{told}\n\n{table}"


def _inner(record: type) -> Iterator[type]:
    """The dataclasses that stand in a record, however deep."""
    for hint in get_type_hints(record).values():
        for part in _parts(hint):
            if isinstance(part, type) and is_dataclass(part):
                yield part
                yield from _inner(part)


def _parts(hint: Any) -> Iterator[Any]:
    yield hint
    for part in get_args(hint):
        yield from _parts(part)


def _type_text(hint: Any) -> str:
    origin, given = get_origin(hint), get_args(hint)
    if origin is Literal:
        return ", ".join(f"`{word}`" for word in given)
    if origin in (Union, UnionType):
        return " or ".join(_type_text(one) for one in given)
    if origin is tuple:
        many = given[-1:] == (...,)
        inside = " and ".join(_type_text(one) for one in given if one is not ...)
        return f"any number of {inside}" if many else f"({inside})"
    return "`None`" if hint is type(None) else f"`{getattr(hint, '__name__', hint)}`"


def _given(one: Field[Any]) -> str:
    if one.default is not MISSING:
        return "none" if one.default is None else f"`{one.default!r}`"
    return "needed" if one.default_factory is MISSING else f"`{one.default_factory()!r}`"


def checks_page() -> str:
    """Every check of the conformance kit."""
    for_whom = {
        "every": "every connector",
        "caller": "whoever calls somebody",
        "http": "whoever calls over HTTP",
        "reader": "whoever reads data",
        "source": "sources",
        "webhook": "whoever is sent webhooks",
        "orders": "whoever places orders",
    }
    rows = [
        (f"`{check.name}`", for_whom[check.scope], check.proves, check.mend) for check in CHECKS
    ]
    return _page(
        "Checks of a connector",
        "`mso-hub connector test ID` runs them offline, against the connector's own simulator, in "
        "this order. What does not apply to a connector is said to be not applicable, never "
        "passed. A check that a connector cannot pass yet stands in its `connector.toml`: "
        "`[[exempt]]` with `check`, `reason` and `until`, a day after which it fails again.",
        _table(("Check", "For", "Proves", "To mend it"), rows),
    )


def codes() -> list[str]:
    """Every code an error class or the GraphQL engine has."""
    kinds = [*error_classes(), CostExceeded]
    return sorted({kind.code for kind in kinds})


def error_classes() -> Iterator[type[HubError]]:
    """`HubError` and every class in `hub/errors.py` that inherits from it, in order."""
    for value in vars(errors).values():
        if inspect.isclass(value) and issubclass(value, HubError):
            yield value


def job_outcome(kind: type[HubError]) -> str:
    """What becomes of a job that raises `kind`, asked of the job queue itself."""
    if issubclass(kind, errors.Cancelled):
        return "cancelled"
    if issubclass(kind, errors.LeaseLost):
        return "nothing is written"
    error = kind.__new__(kind)
    error.__dict__.update(retry_at=NOW, retry_after=None)
    job = ClaimedJob(1, Job.PRUNE, "token", None, {}, 1, 12, NOW)
    context = cast(JobContext, SimpleNamespace(now=lambda: NOW))
    failure = classify(error, job, context)
    if failure.retry_at is None:
        return "dead"
    return "tried again" if failure.counts else "tried again, costs no attempt"


def _default(value: object) -> str:
    return "none" if value in (None, "") else f"`{value}`"


def _first_sentences(documented: Callable[..., Any]) -> str:
    """The first paragraph of a docstring on one line."""
    text = inspect.getdoc(documented) or ""
    return " ".join(text.split("\n\n")[0].split()).replace("|", "\\|").replace("``", "`")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _page(title: str, *parts: str) -> str:
    return "\n\n".join((f"# {title}", NOTICE, *parts)) + "\n"


PAGES = {
    "schema.md": schema_page,
    "settings.md": settings_page,
    "jobs.md": jobs_page,
    "errors.md": errors_page,
    "commands.md": commands_page,
    "connector-checks.md": checks_page,
    "records.md": records_page,
}


def write() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
        sys.stdout.write(f"wrote docs/reference/{name}\n")


if __name__ == "__main__":
    write()
