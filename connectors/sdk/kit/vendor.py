"""A connector's own simulator, found by its package and run on loopback.

A simulator answers over HTTP (``demo_app(*, seed, today)``) or listens itself (``demo_server(*,
port)``), and says by ``demo_connection(url)`` which settings and secrets fit it.
"""

from __future__ import annotations

import importlib
from contextlib import AbstractContextManager
from datetime import date
from types import ModuleType
from typing import Protocol

from connectors.sdk.simulator import DemoConnection, SimulatorServer
from hub.errors import ConfigError


class VendorServer(AbstractContextManager["VendorServer"], Protocol):
    """A simulated vendor that listens on loopback while it is a context manager."""

    url: str


def simulator_of(package: str) -> ModuleType:
    """The simulator of a connector's package. Raises ConfigError where it has none to connect to
    (one that sends to us is none)."""
    name = f"{package}.simulator"
    module: ModuleType | None = None
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
    if module is None or not (hasattr(module, "demo_app") or hasattr(module, "demo_server")):
        short = package.rpartition(".")[2]
        raise ConfigError(f"{short} has no simulator that it could connect to.", field="simulator")
    return module


def vendor_server(package: str, *, seed: int, today: date, port: int = 0) -> VendorServer:
    """The simulator on `port` of 127.0.0.1 (0: a free one), not started yet. Raises ConfigError."""
    module = simulator_of(package)
    try:
        if hasattr(module, "demo_server"):
            server: VendorServer = module.demo_server(port=port)
            return server
        return SimulatorServer(module.demo_app(seed=seed, today=today), port)
    except (OSError, OverflowError) as error:
        raise ConfigError(f"Port {port} of 127.0.0.1 cannot be used.", field="port") from error


def demo_connection(package: str, url: str) -> DemoConnection:
    """The settings and secrets that fit the simulator at `url`. Raises ConfigError."""
    module = simulator_of(package)
    if not hasattr(module, "demo_connection"):
        raise ConfigError(
            f"{module.__name__} has no demo_connection(url), which says what fits it.",
            field="simulator",
        )
    fit: DemoConnection = module.demo_connection(url)
    return fit
