"""Where `mso-hub connector` finds a connector: in this installation or in a folder of packages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from connectors import registry
from connectors.sdk.manifest import MANIFEST
from hub.errors import NotFound

From = Annotated[
    Path | None,
    typer.Option(
        "--from", exists=True, file_okay=False, help="Where its package is, if not installed."
    ),
]


def found_in(folder: Path | None, id: str) -> registry.Registry:
    """The connectors of this installation, or the one of that id in a folder.

    Raises NotFound where the folder holds no such package.
    """
    if folder is None:
        return registry.installed()
    if not (folder / id / MANIFEST).is_file():
        raise NotFound(
            f"There is no {id}/{MANIFEST} in {folder}; --from takes the folder that the package"
            " lies in.",
            sought=id,
        )
    return registry.at(folder, id)
