"""Folders that senders leave files in: each file is moved once its messages are durable.

Under HUB_FILES_DIR a connection's `receiving.folder` holds what is new, `done/` and `refused/`
what was taken in; beside a refused file lies a `.report.txt` that says why.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from hub import log
from hub.entrypoints.hl7_files import SUFFIXES, FileReport, load_file
from hub.entrypoints.hl7_routes import Hl7Connection
from hub.entrypoints.hub import Hub

SETTLED_SECONDS = 5.0
"""A file changed more recently may still be being written."""
DONE, REFUSED = "done", "refused"
_log = log.get(__name__)


class Folders:
    """Takes in the files of every connection that has a folder (`jobs.context.TakeFiles`)."""

    def __init__(self, hub: Hub, clock: Callable[[], float] = time.time) -> None:
        self._hub = hub
        self._clock = clock

    def __call__(self, check: Callable[[], None]) -> None:
        from hub.entrypoints.hl7_route_table import load_routes

        for connection in load_routes(self._hub.database).connections:
            name = connection.config.receiving.folder
            folder = self._hub.settings.resolved_files_dir() / name
            if not name or not folder.is_dir():
                continue
            for file in self._settled(folder):
                check()
                self._take(file, connection)

    def _take(self, file: Path, connection: Hl7Connection) -> None:
        connection_id = connection.connection_id
        try:
            report = load_file(self._hub, connection, file)
            state = move(file, report)
        except FileNotFoundError:  # another process took it at the same moment
            return
        except OSError as error:  # it stays, and the others are not held up
            name = type(error).__name__
            _log.error("file not taken in", connection_id=connection_id, error_type=name)
            return
        _log.info("file taken in", connection_id=connection_id, count=report.stored, state=state)

    def _settled(self, folder: Path) -> list[Path]:
        """Files that nobody writes any more, the oldest first."""
        until = self._clock() - SETTLED_SECONDS
        found = [
            (entry.stat().st_mtime, entry.name)
            for entry in os.scandir(folder)
            if entry.is_file(follow_symlinks=False)
            and Path(entry.name).suffix.lower() in SUFFIXES
            and not entry.name.startswith(".")
        ]
        return [folder / name for changed, name in sorted(found) if changed <= until]


def move(file: Path, report: FileReport) -> str:
    """Put a file where it belongs now, never over another one of its name; the folder's name."""
    folder = file.parent / (REFUSED if report.refused else DONE)
    folder.mkdir(exist_ok=True)
    place, number = folder / file.name, 1
    while place.exists():
        place, number = folder / f"{file.stem}-{number}{file.suffix}", number + 1
    if report.refused:
        counts = f"{report.stored} stored, {report.known} known, {len(report.refused)} refused"
        lines = [f"{counts}.", *report.refused]
        place.with_name(place.name + ".report.txt").write_text("\n".join(lines) + "\n")
    file.rename(place)
    return folder.name
