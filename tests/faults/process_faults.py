"""Processes that end or freeze: J1 listeners, J3-calls at every call, J4 workers, J5 past the
lease, J16 rolling restarts."""

from __future__ import annotations

import signal
import time

from deployment import LEASE_SECONDS
from processes import is_alive, wait_until
from trial import Trial

RESTART_SECONDS = 5.0
"""Between two restarts of J16 at most."""
MOST_CALLS = 600
"""It ends earlier, when a message is accepted and read without the process ending."""


def listener_killed(trial: Trial) -> None:
    """J1: kill the listener at any moment; senders resend."""
    deployment = trial.deployment
    listener = next(iter(deployment.roles))
    deployment.start_all()
    deployment.send(senders=6, merges=0.03)
    for _ in trial.times(60):
        deployment.wait_for_more(trial.random.randrange(2, 12))
        deployment.replace(listener)
        trial.inject("listener killed")
        trial.rest(0.0, 0.1)
    deployment.wait_for_more(10)


def workers_killed(trial: Trial) -> None:
    """J4: kill one or all workers in the middle of their jobs; others take over."""
    deployment = trial.deployment
    deployment.changes = ("slow_reading",)
    deployment.start_all()
    deployment.send(senders=6, pause=0.05, merges=0.03)
    for _ in trial.times(20):
        deployment.wait_for_more(trial.random.randrange(10, 25))
        workers = deployment.workers()
        chosen = trial.random.sample(workers, trial.random.randint(1, len(workers)))
        for name in chosen:
            deployment.end(name)
        trial.note_death()
        trial.inject("worker killed", len(chosen))
        for name in chosen:
            deployment.start(name)
        trial.rest(0.0, LEASE_SECONDS)
    deployment.wait_for_more(10)


def frozen(trial: Trial) -> None:
    """J5: freeze a worker beyond its lease, then let it go on: its finish must be refused."""
    deployment = trial.deployment
    deployment.changes = ("slow_reading",)
    deployment.start_all()
    deployment.send(senders=6, pause=0.02)
    for _ in trial.times(10):
        deployment.wait_for_more(trial.random.randrange(10, 25))
        name = trial.random.choice(deployment.workers())
        deployment.signal(name, signal.SIGSTOP)
        trial.inject("worker frozen")
        trial.rest(1.6 * LEASE_SECONDS, 2.2 * LEASE_SECONDS)
        deployment.signal(name, signal.SIGCONT)
        trial.rest(0.2, 0.6)
    deployment.wait_for_more(5)


def crashed_at_every_call(trial: Trial) -> None:
    """J3-calls: end one process before and after each write, sync and message to the database, one
    call later each time, until it accepts and reads messages and no call is left."""
    for name in trial.deployment.roles:
        if name != "jobs 2":
            _crash_at_every_call(trial, name)
    trial.deployment.revive()


def _crash_at_every_call(trial: Trial, name: str) -> None:
    deployment, calls = trial.deployment, 0
    assert deployment.shim is not None
    accepts = "mllp" in deployment.roles[name]
    for other in list(deployment.running):
        deployment.end(other)
    while calls < MOST_CALLS:
        calls += trial.random.randint(1, max(1, round(1 / trial.scale)))
        if not accepts:
            deployment.start("mllp")
            deployment.send(senders=1, messages=3, patients=1, pause=0.0)
            deployment.wait_for_senders()
            deployment.end("mllp")
            deployment.shim.set(crash_in=calls)
        deployment.start(name)
        if accepts:
            deployment.wait_for_listener()
            deployment.shim.set(crash_in=calls)
            deployment.send(senders=1, messages=3, patients=1, pause=0.0)
        ended = _ended(trial, name)
        deployment.shim.set(crash_in=0)
        if not ended:
            break
        trial.inject(f"{name} ended at a call")
        deployment.start(name)
        deployment.wait_for_senders()
        deployment.end(name)


def _replace_politely(trial: Trial, name: str) -> int:
    """Ask a process to stop and start it anew; returns how many jobs were running."""
    statement = "SELECT count(*) FROM jobs WHERE state = 'running'"
    running = int(trial.deployment.rows(statement)[0][0])
    began = time.monotonic()
    trial.deployment.replace(name, signal.SIGTERM)
    trial.require(time.monotonic() - began < 25, f"{name} took over 25 s to stop")
    trial.inject("process asked to stop")
    return running


def _ended(trial: Trial, name: str) -> bool:
    """Wait until the process ends at a call, or has done all there was to do."""
    deployment = trial.deployment
    process, roles = deployment.running[name], deployment.roles[name]
    live = "SELECT count(*) FROM jobs WHERE state IN ('ready', 'running') AND kind LIKE 'ingest%'"

    def over() -> bool:
        if not is_alive(process):
            return True
        return not deployment.is_sending() and not ("jobs" in roles and deployment.rows(live)[0][0])

    wait_until(over, f"the end of {name} at a call", 30)
    return not is_alive(process)


def rolling_restarts(trial: Trial) -> None:
    """J16: SIGTERM one process after another, every few seconds; each comes back as code of another
    version, of which the older one does not know the jobs that read messages. Only running jobs
    may cost an attempt."""
    deployment = trial.deployment
    deployment.start_all()
    deployment.send(senders=6, pause=0.02)
    running, names = 0, list(deployment.roles)
    for number in trial.times(12):
        deployment.wait_for_more(10)
        trial.rest(0.0, RESTART_SECONDS)
        turn, place = divmod(number, len(names))
        deployment.changes = ("older_code",) if turn % 2 == 0 else ()
        running += _replace_politely(trial, names[place])
    deployment.changes = ()
    for name in names:
        running += _replace_politely(trial, name)
    deployment.drain()
    attempts = "SELECT count(*) FROM jobs WHERE attempt > 1"
    repeated = int(deployment.rows(attempts)[0][0])
    trial.require(
        repeated <= running, f"{repeated} jobs lost an attempt and {running} were running"
    )
