"""The HL7 routes as stored, kept at hand: whoever asks never waits for the database."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from connectors import registry
from connectors.ehr_hl7v2.config import Config as Hl7Config
from hub import log, metrics
from hub.domain.agreements import operations_scope
from hub.entrypoints.hl7_routes import LOOPBACK, Facility, Forward, Hl7Connection, Routes
from hub.entrypoints.mllp_tls import canonical_name
from hub.errors import ConfigError
from hub.services import outbound
from hub.services.connections import note_settings
from hub.services.outbound import DESTINATION
from hub.storage import connections
from hub.storage.session import Database, ScopedSession
from hub.storage.tables import Practice

_log = log.get(__name__)
SCOPE = operations_scope("HL7 routes")
ROUTES_SECONDS = 5.0
TOO_OLD_SECONDS = 60.0


class RouteTable:
    """The routes as last read; call it for them. Once started, a thread reads them again every
    `ROUTES_SECONDS`; while the database does not answer, the last ones hold."""

    def __init__(
        self,
        database: Database,
        load: Callable[[Database], Routes] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._load = load or load_routes
        self._clock = clock
        self._routes = Routes(())
        self._read_at = float("-inf")
        self._shown: dict[str, str] | None = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __call__(self) -> Routes:
        return self._routes

    def is_fresh(self) -> bool:
        """False when nothing was read for `TOO_OLD_SECONDS`, so that changes are not seen."""
        return self._clock() - self._read_at < TOO_OLD_SECONDS

    def start(self) -> None:
        """Read the routes, raising what keeps them from being read, and go on reading."""
        self.refresh()
        self._ended.clear()
        self._thread = threading.Thread(target=self._keep_fresh, name="hl7-routes", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; one that hangs in the database ends with the process."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(timeout=1.0)
            self._thread = None

    def refresh(self) -> None:
        """Read the routes once, in this thread."""
        began = self._clock()
        routes = self._load(self._database)
        for connection_id, error in routes.unusable.items():
            if connection_id not in self._routes.unusable:
                _log.error("hl7_connection_unusable", connection_id=connection_id, path=error.field)
        self._routes, self._read_at = routes, began
        self._show(routes.unusable)

    def _show(self, unusable: Mapping[str, ConfigError]) -> None:
        """Note on the connections, once, whose settings no longer hold, and whose hold again."""
        found = {connection_id: str(error) for connection_id, error in unusable.items()}
        if found == self._shown:
            return
        try:
            self._database.transaction(
                SCOPE, lambda session: note_settings(session, "ehr_hl7v2", unusable)
            )
        except Exception as error:  # the routes hold all the same; the next reading tries again
            _log.error("hl7_connections_not_noted", error_type=type(error).__name__)
        else:
            self._shown = found

    def _keep_fresh(self) -> None:
        while not self._ended.wait(ROUTES_SECONDS):
            try:
                self.refresh()
            except Exception as error:
                _log.error("hl7_routes_unreadable", error_type=type(error).__name__)


def load_routes(database: Database) -> Routes:
    """Who may send HL7 for which practices, from the connections of the HL7 connector."""
    with database.read(SCOPE) as session:
        return routes_of(session)


def routes_of(session: ScopedSession) -> Routes:
    """As `load_routes`, in a session of `SCOPE`."""
    found = []
    unusable: dict[str, ConfigError] = {}
    zones = {practice.id: practice.zone for practice in session.query(Practice)}
    facilities: dict[str, dict[str, Facility]] = {}
    for row in connections.routing(session):
        facilities.setdefault(row.connection_id, {})[row.code] = Facility(
            row.practice_id, zones[row.practice_id], row.receiving_facility or None
        )
    forwards = _forwards(session)
    for connection in connections.by_connector(session, "ehr_hl7v2"):
        try:
            config = registry.validate_config("ehr_hl7v2", connection.config)
        except ConfigError as error:  # stored before a rule was added: only its sender is refused
            unusable[connection.id] = error
            continue
        if not isinstance(config, Hl7Config):
            continue
        routing = connection.routing
        found.append(
            Hl7Connection(
                connection_id=connection.id,
                sending_application=routing["sending_application"],
                facilities=facilities.get(connection.id, {}),
                config=config,
                peers=tuple(routing.get("peers", LOOPBACK)),
                processing_ids=frozenset(routing.get("processing_ids", ("P",))),
                certificates=frozenset(map(canonical_name, routing.get("certificates", ()))),
                forwards=tuple(forwards.get(connection.name, ())),
            )
        )
    return Routes(tuple(found), unusable)


def _forwards(session: ScopedSession) -> dict[str, list[Forward]]:
    """Name of a connection -> what of it goes on to which destination."""
    found: dict[str, list[Forward]] = {}
    full = outbound.full(session)
    metrics.destinations_full.set(len(full))
    for destination in connections.by_connector(session, DESTINATION):
        for rule in destination.routing.get("forward", ()):
            types = frozenset(rule.get("types", ()))
            forward = Forward(destination.id, types, full.get(destination.id))
            found.setdefault(rule["from"], []).append(forward)
    return found
