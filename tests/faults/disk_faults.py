"""Disks that fail: J2 power cuts, J11 no space, J12 failing syncs, J13 slow ones, J22 readers that
stay."""

from __future__ import annotations

import signal
import time
from contextlib import closing

from processes import wait_until
from shim import WHOLE_FILES, Shim
from sqlalchemy import text
from trial import Trial


def _shim(trial: Trial) -> Shim:
    """The shim under whatever writes the database's files."""
    found = trial.cluster.shim if trial.cluster else trial.deployment.shim
    assert found is not None
    return found


def power_cut(trial: Trial) -> None:
    """J2: everything stops at once, and only what was synced is left."""
    deployment, cluster = trial.deployment, trial.cluster
    if cluster is None:
        deployment.keep_synced()
    else:
        assert cluster.shim is not None
        cluster.server.stop(signal.SIGINT)
        cluster.shim.begin_copy(WHOLE_FILES)
        cluster.server.start()
    deployment.start_all()
    deployment.send(senders=6, pause=0.005, merges=0.02)
    for _ in trial.times(100 if cluster is None else 25):
        deployment.wait_for_more(trial.random.randrange(3, 30))
        trial.rest(0.0, 0.05)
        _cut(trial)
        trial.inject("power cut")
        deployment.revive()
    deployment.wait_for_more(10)
    deployment.drain()
    if cluster is not None:
        assert cluster.shim is not None
        cluster.shim.set(keep=0)


def _cut(trial: Trial) -> None:
    deployment, cluster = trial.deployment, trial.cluster
    if cluster is None:
        deployment.end("hub")
        assert deployment.shim is not None
        deployment.shim.lose_power()
        deployment.keep_synced()
        return
    assert cluster.shim is not None
    cluster.server.lose_power()
    for name in list(deployment.running):
        deployment.end(name)
    cluster.shim.lose_power()
    cluster.shim.begin_copy(WHOLE_FILES)
    cluster.server.start()


def disk_full(trial: Trial) -> None:
    """J11: no byte more fits, for a while; nothing is acknowledged, and the hub recovers alone."""
    deployment, shim = trial.deployment, _shim(trial)
    deployment.start_all()
    deployment.send(senders=6)
    for _ in trial.times(10):
        deployment.wait_for_more(10)
        shim.set(no_space=1)
        trial.inject("disk full")
        trial.rest(0.2, 0.5)  # for what is being committed at this moment
        before = len(deployment.acknowledged())
        trial.rest(0.3, 1.0)
        after = len(deployment.acknowledged())
        trial.require(after == before, f"{after - before} messages were acknowledged unwritten")
        shim.set(no_space=0)
        _revive(trial)
        deployment.wait_for_more(1)


def sync_fails(trial: Trial) -> None:
    """J12: a sync returns EIO; its batch is not acknowledged, and the next one is."""
    deployment, shim = trial.deployment, _shim(trial)
    shim.set(failed=0)
    deployment.start_all()
    deployment.send(senders=6)
    for _ in trial.times(40):
        deployment.wait_for_more(trial.random.randrange(1, 8))
        failures = trial.random.choice([1, 1, 1, 2, 5])
        shim.set(eio=failures)
        _wait_for_failure(trial, shim)
        _revive(trial)
        deployment.wait_for_more(2)
    trial.inject("sync failed", shim.get("failed"))


def _wait_for_failure(trial: Trial, shim: Shim) -> None:
    """PostgreSQL may end itself at the first of several."""
    cluster = trial.cluster
    if cluster is not None:
        met = lambda: shim.get("eio") <= 0 or not cluster.server.runs()  # noqa: E731
        wait_until(met, "the failure of a sync")
        shim.set(eio=0)


def _revive(trial: Trial) -> None:
    """PostgreSQL ends all it does where it cannot write, and itself where it cannot recover: an
    operator starts it again, but not the hub."""
    if trial.cluster is not None:
        trial.cluster.server.revive()


def slow_syncs(trial: Trial) -> None:
    """J13: a sync takes 2 ms, 50 ms and once 5 s; order is kept and nothing is lost."""
    deployment, shim = trial.deployment, _shim(trial)
    deployment.start_all()
    deployment.send(senders=8, pause=0.0)
    for _ in trial.times(4):
        for microseconds in (2_000, 50_000):
            shim.set(delay=microseconds)
            trial.inject("syncs slowed")
            deployment.wait_for_more(30)
        shim.set(delay=5_000_000)
        trial.inject("sync stalled")
        time.sleep(0.3)
        shim.set(delay=0)
        deployment.wait_for_more(10)


def reader_left_open(trial: Trial) -> None:
    """J22: someone keeps reading the state of long ago; the write-ahead log and the rows stay
    bounded, and shrink or are used again once the reader is gone."""
    deployment = trial.deployment
    deployment.start_all()
    deployment.send(senders=8, pause=0.0)
    with closing(deployment.open()) as hub:
        for _ in trial.times(4):
            with hub.database.read_engine.connect() as reader:
                reader.execute(text("SELECT count(*) FROM jobs")).scalar()
                trial.inject("reader left open")
                deployment.wait_for_more(150)
            deployment.wait_for_more(30)
