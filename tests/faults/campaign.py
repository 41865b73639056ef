"""The fault campaign: faults in real processes of the hub, and one checker of what is left.

    make faults ARGS="--minutes 30 --seed 7 --only J2,J5 --on sqlite,redis"

Without --minutes every scenario runs once on every transport it fits. Each run prints its seed;
the same seed picks the same faults. The last line is JSON: faults injected, messages acknowledged,
lost, doubled, out of order, and the slowest recovery beside its goal. `--short` is the mix of
`make test`.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent)]

import load_faults  # noqa: E402
from checker import Verdict, check  # noqa: E402
from deployment import OWNER, ROLE, TEMPLATE, Deployment, on_server, set_up  # noqa: E402
from processes import LONGEST, Forkserver, TooLong  # noqa: E402
from scenarios import ALL, SCENARIOS, SERVERS, SHORT, SILENT, Scenario  # noqa: E402
from servers import Broker, Postgresql, Rabbitmq, Redis, program  # noqa: E402
from shim import Shim, build, compiler  # noqa: E402
from trial import GOAL_SECONDS, GOOD_SECONDS, Cluster, Trial  # noqa: E402

LONGEST_OF_CONTROL = 15.0
"""Seconds a weakened hub may take to empty its queue: lanes may be held for ever there, and the
checker looks all the same."""


@dataclass
class Totals:
    """What a campaign adds up to."""

    injected: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    messages: int = 0
    lost: int = 0
    doubled: int = 0
    inversions: int = 0
    recovery_seconds: float = 0.0
    waited_seconds: float = 0.0
    failures: list[str] = field(default_factory=list)
    controls: dict[str, bool] = field(default_factory=dict)


class Campaign:
    """The directory, the servers and the forkserver that all trials share."""

    def __init__(self, directory: Path, transports: tuple[str, ...], scale: float) -> None:
        self.directory = directory
        self.scale = scale
        self.totals = Totals()
        directory.chmod(0o755)
        self.library = build(directory) if compiler() else None
        set_up(directory / "template")
        self.forkserver = Forkserver(self.library)
        self.cluster: Cluster | None = None
        self.brokers: dict[str, Broker] = {}
        try:
            self._start_servers(transports)
        except BaseException:
            self.close()
            raise

    def _start_servers(self, transports: tuple[str, ...]) -> None:
        directory = self.directory
        if set(transports) & set(SERVERS):
            self.cluster = self._cluster()
        for name, kind in (("redis", Redis), ("rabbitmq", Rabbitmq)):
            if name in transports:
                self.brokers[name] = kind(directory / name)
                self.brokers[name].start()

    def _cluster(self) -> Cluster:
        directory = self.directory / "postgresql"
        shim = Shim(self.library, directory, self.directory / "copy") if self.library else None
        server = Postgresql(directory, shim.environment() if shim else {})
        server.create()
        server.start()
        for role in (OWNER, ROLE):
            on_server(server, f"CREATE ROLE {role} LOGIN")
        on_server(server, f"CREATE DATABASE {TEMPLATE} OWNER {OWNER}")
        set_up(self.directory / "template-postgresql", server)
        return Cluster(server, shim)

    def close(self) -> None:
        self.forkserver.close()
        for broker in self.brokers.values():
            broker.close()
        if self.cluster is not None:
            self.cluster.server.stop()

    def run(self, name: str, transport: str, seed: int) -> None:
        """One scenario on one transport, with a database of its own."""
        scenario = SCENARIOS[name]
        if scenario.needs_shim and self.library is None:
            self.totals.failures.append(f"{name} did not run: there is no C compiler")
            return
        with self._trial(name, transport, seed) as trial:
            began = time.monotonic()
            verdict = Verdict()
            try:
                scenario.run(trial)
                if trial.checked is None:
                    trial.deployment.drain(LONGEST_OF_CONTROL if scenario.weakened else LONGEST)
                    trial.measure()
            except TooLong as error:
                trial.findings.append(f"{error}{trial.deployment.tell()}")
            except Exception:
                trial.findings.append(traceback.format_exc())
            try:
                verdict = trial.checked or check(trial.deployment)
            except Exception:
                trial.findings.append(traceback.format_exc())
            self._add(name, transport, scenario, trial, verdict, time.monotonic() - began)

    @contextmanager
    def _trial(self, name: str, transport: str, seed: int) -> Iterator[Trial]:
        directory = self.directory / f"{name}-{transport}-{seed}"
        directory.mkdir()
        broker = self.brokers.get(transport)
        with_server = transport in SERVERS
        cluster = self.cluster if with_server else None
        template = self.directory / ("template-postgresql" if with_server else "template")
        always = [SCENARIOS[name].weakened, "no_bell" if transport == SILENT else ""]
        deployment = Deployment(
            directory, template, self.forkserver, self.library,
            cluster.server if cluster else None,
            broker.environment if broker else None,
            [change for change in always if change],
        )  # fmt: skip
        chance = random.Random(f"{seed} {name} {transport}")
        deployment.random = chance
        scale = max(self.scale, SCENARIOS[name].least_scale)
        trial = Trial(deployment, chance, scale, cluster, broker)
        try:
            yield trial
        finally:
            if cluster is not None and cluster.shim is not None:
                cluster.shim.heal()
            deployment.close()
            if not trial.findings:
                shutil.rmtree(directory)

    def _add(
        self, name: str, transport: str, scenario: Scenario, trial: Trial, verdict: Verdict,
        seconds: float,
    ) -> None:  # fmt: skip
        totals, where = self.totals, f"{name} on {transport}"
        totals.injected.update(trial.injected)
        if scenario.weakened:
            found = bool(getattr(verdict, scenario.broken))
            totals.controls[name] = totals.controls.get(name, False) or found
        else:
            totals.acknowledged += verdict.acknowledged
            totals.messages += verdict.messages
            totals.lost += len(verdict.lost)
            totals.doubled += len(verdict.doubled)
            totals.inversions += len(verdict.inversions)
            totals.recovery_seconds = max(totals.recovery_seconds, *trial.recoveries, 0.0)
            totals.waited_seconds = max(totals.waited_seconds, *trial.waits, 0.0)
            wrong = [*trial.findings, *verdict.lost, *verdict.doubled, *verdict.inversions]
            wrong += verdict.faults
            totals.failures += [f"{where}: {words}" for words in wrong[:20]]
        print(
            f"{where}: {sum(trial.injected.values())} faults, {verdict.acknowledged} acknowledged,"
            f" {len(verdict.lost)} lost, {len(verdict.doubled)} doubled,"
            f" {len(verdict.inversions)} out of order, {len(verdict.faults)} other,"
            f" recovery {max(trial.recoveries, default=0):.1f} s, {seconds:.0f} s in all",
            flush=True,
        )
        for words in trial.findings:
            print(f"    {words}", flush=True)


def pairs(options: argparse.Namespace) -> list[tuple[str, str]]:
    """Which scenario on which transport, in their order."""
    transports = [name for name in options.on.split(",") if name in ALL]
    if options.short:
        return [(name, where) for where in transports for name in SHORT.get(where, ())]
    wanted = options.only.split(",") if options.only else list(SCENARIOS)
    unknown = set(wanted) - set(SCENARIOS)
    if unknown:
        sys.exit(f"There is no scenario {', '.join(sorted(unknown))}.")
    return [(n, where) for n in wanted for where in SCENARIOS[n].on if where in transports]


def missing(transports: set[str]) -> set[str]:
    """Those of the transports whose programs are not installed here."""
    found = set()
    if transports & set(SERVERS) and program("initdb") is None:
        found |= set(SERVERS)
    for name, needed in (("redis", "redis-server"), ("rabbitmq", "rabbitmq-server")):
        if shutil.which(needed) is None:
            found.add(name)
    return found & transports


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=0.0, help="go on for so long")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--only", default="", help="scenarios, by commas")
    parser.add_argument("--on", default=",".join(ALL), help=f"transports, of {', '.join(ALL)}")
    parser.add_argument("--scale", type=float, default=1.0, help="how often each fault is injected")
    parser.add_argument("--list", action="store_true", help="the faults and where, as JSON")
    parser.add_argument("--short", action="store_true", help="the mix of the tests")
    parser.add_argument("--backlog", type=int, default=load_faults.BACKLOG, help="jobs of J19")
    options = parser.parse_args()
    if options.list:
        print(json.dumps({name: list(scenario.on) for name, scenario in SCENARIOS.items()}))
        return 0
    load_faults.BACKLOG = options.backlog
    scale = 0.03 if options.short else options.scale
    absent = missing(set(options.on.split(",")))
    options.on = ",".join(name for name in options.on.split(",") if name not in absent)
    print(f"seed {options.seed}" + "".join(f"; NOT COVERED: no {name}" for name in sorted(absent)))
    directory = Path(tempfile.mkdtemp(prefix="hub-faults-"))
    chosen = pairs(options)
    campaign = Campaign(directory, tuple({where for _, where in chosen}), scale)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the servers are ended
    began, number = time.monotonic(), 0
    try:
        while True:
            for name, transport in chosen:
                if number and options.minutes and time.monotonic() - began > options.minutes * 60:
                    break
                campaign.run(name, transport, options.seed + number)
            number += 1
            if time.monotonic() - began >= options.minutes * 60:
                break
    except KeyboardInterrupt:
        print("stopped; what the scenario under way injected is not counted", flush=True)
    finally:
        campaign.close()
    return report(campaign.totals, options.seed, time.monotonic() - began, directory, absent)


def report(totals: Totals, seed: int, seconds: float, directory: Path, absent: set[str]) -> int:
    """Print the summary and return the exit code."""
    blind = [name for name, found in totals.controls.items() if not found]
    failures = totals.failures + [f"{name}: the checker found nothing" for name in blind]
    for words in failures:
        print(f"FAILED {words}", file=sys.stderr)
    if failures:
        print(f"The directories of what failed are kept under {directory}.", file=sys.stderr)
    else:
        shutil.rmtree(directory)
    summary: dict[str, Any] = {
        "seed": seed,
        "seconds": round(seconds),
        "faults": sum(totals.injected.values()),
        "injected": dict(totals.injected.most_common()),
        "acknowledged": totals.acknowledged,
        "messages": totals.messages,
        "lost": totals.lost,
        "doubled": totals.doubled,
        "inversions": totals.inversions,
        "worst_recovery_seconds": round(totals.recovery_seconds, 2),
        "recovery_goal_seconds": GOAL_SECONDS,
        "wait_goal_seconds": GOOD_SECONDS,
        "longest_wait_seconds": round(totals.waited_seconds, 2),
        "controls": totals.controls,
        "not_covered": sorted(absent),
        "failures": len(failures),
    }
    print(json.dumps(summary))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
