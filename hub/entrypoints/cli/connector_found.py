"""Where `mso-hub connector` finds a connector: in this installation or in a folder of packages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from connectors import registry

From = Annotated[
    Path | None,
    typer.Option(
        "--from", exists=True, file_okay=False, help="Where its package is, if not installed."
    ),
]


def found_in(folder: Path | None, id: str) -> registry.Registry:
    """The connectors of this installation, or the one of that id in a folder."""
    return registry.installed() if folder is None else registry.at(folder, id)
