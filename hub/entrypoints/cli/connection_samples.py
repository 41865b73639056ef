"""`mso-hub connection check NAME --samples`: a feed looked at before it goes live."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import typer

from connectors import registry
from connectors.ehr_hl7v2.config import Config
from connectors.sdk.hl7v2.conformance import Finding
from connectors.sdk.hl7v2.header import read_header
from hub.entrypoints.cli import common
from hub.entrypoints.cli.connection_file import read_file
from hub.entrypoints.connection_settings import check_routing
from hub.entrypoints.hl7_route_table import load_routes
from hub.entrypoints.hl7_routes import Hl7Connection
from hub.entrypoints.onboarding import report
from hub.entrypoints.onboarding.apart import Conformance
from hub.entrypoints.onboarding.profile import batches_of, profile, sample_files
from hub.errors import ConfigError, NotFound
from hub.services import connections

CONNECTOR = "ehr_hl7v2"
OF_EACH_TYPE = 20
"""How many messages of each type and event hl7apy looks at."""


def check_samples(name: str, samples: Path, *, as_json: bool) -> None:
    """Print the report; exit 1 unless every message would be accepted and read."""
    connection = _connection(name)
    files = sample_files(samples)
    found = profile(batches_of(files), connection)
    found.files = len(files)
    chosen = list(_chosen(one for batch in batches_of(files) for one in batch.messages))
    made = report.build(found, _conformance(chosen, connection.config), len(chosen), connection)
    if as_json:
        common.print_json(made)
    else:
        for line in report.text(made, name):
            typer.echo(line)
    if not report.is_ready(made):
        raise typer.Exit(1)


def _connection(name: str) -> Hl7Connection:
    """A stored connection, or the one that a settings file describes, which needs no database."""
    if Path(name).suffix.lower() in {".toml", ".json"}:
        return _described(Path(name))
    with common.opened() as hub:
        with hub.database.read(common.SCOPE) as session:
            row = connections.named(session, name)
        found = [
            one for one in load_routes(hub.database).connections if one.connection_id == row.id
        ]
    if not found:
        raise NotFound(f'"{name}" receives no HL7 v2; samples are for connections of {CONNECTOR}.')
    return found[0]


def _described(file: Path) -> Hl7Connection:
    settings, routing, _ = read_file(file)
    routing = check_routing(CONNECTOR, routing)
    config = registry.validate_config(CONNECTOR, settings)
    if not isinstance(config, Config):
        raise ConfigError("The settings are not those of ehr_hl7v2.", field="connector")
    return Hl7Connection(
        connection_id="",
        sending_application=routing["sending_application"],
        facilities={},
        config=config,
        processing_ids=frozenset(routing.get("processing_ids", ("P",))),
    )


def _chosen(contents: Iterator[bytes]) -> Iterator[bytes]:
    """The first messages of each type: hl7apy is too slow for all of a large folder."""
    seen: Counter[str] = Counter()
    for content in contents:
        header = read_header(content)
        kind = header.message_type if header else ""
        seen[kind] += 1
        if header and seen[kind] <= OF_EACH_TYPE:
            yield content


def _conformance(contents: Sequence[bytes], config: Config) -> Counter[Finding]:
    """How many messages break what of the standard; in a process of its own."""
    counts: Counter[Finding] = Counter()
    with Conformance() as conformance:
        for content in contents:
            header = read_header(content)
            version = config.version(header.version) if header else None
            counts.update(conformance.ask(content, version or ""))
    return counts
