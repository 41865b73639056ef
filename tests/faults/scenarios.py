"""The list of faults: what each is called, and on which transports it is injected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import broker_faults
import crash_faults
import disk_faults
import input_faults
import load_faults
import network_faults
import process_faults
from trial import Trial

SILENT = "postgresql-silent"
"""PostgreSQL whose notifications nobody hears: jobs are found by looking each second."""
TABLES = ("sqlite", "postgresql")
POINTERS = ("redis", "rabbitmq")
ALL = (*TABLES, SILENT, *POINTERS)
SERVERS = ("postgresql", SILENT, *POINTERS)
ONE_OF_EACH = (*TABLES, *POINTERS)
"""Where it makes no difference who rings."""


@dataclass(frozen=True)
class Scenario:
    """A row of the list of faults; `on` are the transports it fits. With `weakened` it is a control
    and the checker must find what that change breaks."""

    run: Callable[[Trial], None]
    on: tuple[str, ...] = ALL
    needs_shim: bool = False
    weakened: str = ""
    broken: str = ""
    """What a control must find: `lost` or `doubled`."""
    least_scale: float = 0.0
    """A control must meet the gap it opened: one freeze may miss a worker that holds nothing."""


SCENARIOS = {
    "J1": Scenario(process_faults.listener_killed),
    "J2": Scenario(disk_faults.power_cut, ONE_OF_EACH, needs_shim=True),
    "J2-control": Scenario(disk_faults.power_cut, ("sqlite",), True, "synchronous_normal", "lost"),
    "J3": Scenario(crash_faults.crashed_at_every_statement, ONE_OF_EACH),
    "J3-control": Scenario(
        crash_faults.crashed_in_finish, ("sqlite",), False, "finish_apart", "doubled", 0.15
    ),
    "J3-calls": Scenario(process_faults.crashed_at_every_call, TABLES, needs_shim=True),
    "J4": Scenario(process_faults.workers_killed),
    "J5": Scenario(process_faults.frozen),
    "J5-control": Scenario(
        process_faults.frozen, ("postgresql",), False, "unfenced_finish", "doubled", 0.2
    ),
    "J6": Scenario(network_faults.database_stopped, SERVERS),
    "J6-failover": Scenario(network_faults.failover, ("postgresql",)),
    "J7": Scenario(network_faults.link_cut),
    "J8": Scenario(network_faults.commit_answer_lost, SERVERS),
    "J9": Scenario(network_faults.acknowledgement_lost, ONE_OF_EACH),
    "J10": Scenario(broker_faults.broker_lost, POINTERS),
    "J11": Scenario(disk_faults.disk_full, ONE_OF_EACH, needs_shim=True),
    "J12": Scenario(disk_faults.sync_fails, ONE_OF_EACH, needs_shim=True),
    "J13": Scenario(disk_faults.slow_syncs, ONE_OF_EACH, needs_shim=True),
    "J14": Scenario(input_faults.odd_bytes, ONE_OF_EACH),
    "J15": Scenario(input_faults.poisoned),
    "J16": Scenario(process_faults.rolling_restarts),
    "J17": Scenario(load_faults.tickers, TABLES),
    "J19": Scenario(load_faults.backlog, ONE_OF_EACH),
    "J20": Scenario(load_faults.everything),
    "J21": Scenario(load_faults.many_senders),
    "J22": Scenario(disk_faults.reader_left_open, ONE_OF_EACH),
}
SHORT = {
    "sqlite": ("J1", "J2", "J2-control", "J3", "J3-control", "J4", "J12"),
    "postgresql": ("J5", "J5-control", "J8"),
    "redis": ("J10",),
}
"""What `make test` runs, a few faults each."""
