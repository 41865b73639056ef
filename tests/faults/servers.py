"""Servers of the campaign's own, to be stopped and broken: PostgreSQL, Redis and RabbitMQ."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import pika
import redis
from processes import ends_with_us, wait_until

from tests.polling import free_port


def answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def program(name: str) -> str | None:
    """Where a program of PostgreSQL lies."""
    found = shutil.which(name)
    others = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return found or (str(others[-1]) if others else None)


class Postgresql:
    """A cluster in a directory; durable as in production, its segments of the log small."""

    SETTINGS = ("fsync=on", "full_page_writes=on", "wal_level=replica", "max_wal_size=64MB",
                "min_wal_size=8MB", "max_connections=200", "unix_socket_directories=",
                "shared_buffers=64MB", "autovacuum_naptime=5s",
                "recovery_init_sync_method=syncfs")  # fmt: skip

    def __init__(self, directory: Path, environment: Mapping[str, str] | None = None) -> None:
        self.directory = directory
        self.port = free_port()
        self.environment = dict(environment or {})
        self.user = "postgres" if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None

    def create(self, segment_megabytes: int = 1) -> None:
        """Make the files, with segments of the log of that size."""
        initdb = program("initdb")
        assert initdb is not None
        self.directory.mkdir(parents=True)
        self.own()
        self._run([initdb, "-D", str(self.directory), "-U", "postgres", "-A", "trust",
                   "-E", "UTF8", "--locale=C", "--no-sync",
                   f"--wal-segsize={segment_megabytes}"])  # fmt: skip
        os.sync()

    def url(self, database: str, role: str = "postgres", port: int = 0) -> str:
        """Of a database here, or reached through another port."""
        return f"postgresql+psycopg://{role}@127.0.0.1:{port or self.port}/{database}"

    def copy_to(self, directory: Path) -> Postgresql:
        """A standby of this cluster that follows it."""
        backup = program("pg_basebackup")
        assert backup is not None
        standby = Postgresql(directory)
        directory.mkdir(parents=True)
        standby.own()
        self._run([backup, "-D", str(directory), "-R", "-X", "stream", "-c", "fast",
                   "-d", f"host=127.0.0.1 port={self.port} user=postgres"])  # fmt: skip
        return standby

    def own(self) -> None:
        if self.user is not None:
            found = pwd.getpwnam(self.user)
            os.chown(self.directory, found.pw_uid, found.pw_gid)
        self.directory.chmod(0o700)

    def start(self, *settings: str) -> None:
        server = program("postgres")
        assert server is not None
        options = [part for line in (*self.SETTINGS, *settings) for part in ("-c", line)]
        with (self.directory.with_suffix(".log")).open("ab") as log:
            self._process = subprocess.Popen(
                [server, "-D", str(self.directory), "-p", str(self.port), "-h", "127.0.0.1",
                 *options],
                user=self.user, env={**os.environ, **self.environment}, cwd="/",
                stdout=log, stderr=log, start_new_session=True,
                preexec_fn=ends_with_us(signal.SIGQUIT),
            )  # fmt: skip
        wait_until(self.is_ready, "PostgreSQL's start", 60)

    def is_ready(self) -> bool:
        ready = program("pg_isready")
        assert ready is not None
        asked = [ready, "-q", "-h", "127.0.0.1", "-p", str(self.port), "-t", "1"]
        return subprocess.run(asked, check=False).returncode == 0

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """SIGQUIT is the immediate shutdown, SIGINT the fast one."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None

    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def revive(self) -> None:
        """Start it where it gives up, or wait until it has recovered by itself."""

        def recovered() -> bool:
            if not self.runs():
                self.start()
            return self.is_ready()

        wait_until(recovered, "PostgreSQL's recovery", 60)

    def lose_power(self) -> None:
        """Every process of the cluster is gone at once."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGSTOP)
            children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
            processes = [self._process.pid, *map(int, children.read_text().split())]
            for process in processes:
                os.kill(process, signal.SIGSTOP)
            for process in reversed(processes):
                os.kill(process, signal.SIGKILL)
            self._process.wait(60)
            self._process = None

    def promote(self) -> None:
        control = program("pg_ctl")
        assert control is not None
        self._run([control, "promote", "-w", "-D", str(self.directory)])

    def _run(self, command: Sequence[str]) -> None:
        subprocess.run(command, check=True, user=self.user, cwd="/", stdout=subprocess.DEVNULL)


class Broker(Protocol):
    """A server that carries pointers. `environment` names it to the hub."""

    @property
    def environment(self) -> dict[str, str]: ...

    def start(self) -> None: ...

    def stop(self) -> None:
        """End it without warning; what it held in memory is gone."""

    def forget(self) -> None:
        """Have the running server drop every pointer."""

    def close(self) -> None: ...


class Redis:
    """A server that writes nothing down unless it is told to: what it forgets must not matter."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        directory.mkdir(parents=True, exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        return {"HUB_BROKER_URL": f"redis://127.0.0.1:{self.port}"}

    def start(self) -> None:
        self._process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
             "--appendonly", "no", "--dir", str(self.directory)],
            stdout=subprocess.DEVNULL, preexec_fn=ends_with_us(),
        )  # fmt: skip
        wait_until(lambda: answers(self.port), "Redis' start", 30)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def forget(self) -> None:
        with redis.Redis(port=self.port) as client:
            client.flushall()

    def save(self) -> None:
        """Write down what it holds now: from then on every start brings back these pointers."""
        with redis.Redis(port=self.port) as client:
            client.save()

    def close(self) -> None:
        self.stop()


class Rabbitmq:
    """A node of its own, beside any other on this machine."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port, self.distribution = free_port(), free_port()
        self.namespace = "mso-hub"
        directory.mkdir(parents=True, exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        return {"HUB_BROKER_URL": f"amqp://guest:guest@127.0.0.1:{self.port}"}

    def start(self) -> None:
        home = str(self.directory)
        (self.directory / "enabled_plugins").write_text("[].\n")
        (self.directory / "rabbitmq.conf").write_text("log.file.level = error\n")
        given = {
            "HOME": home, "RABBITMQ_NODENAME": f"faults{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1", "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.distribution), "RABBITMQ_MNESIA_BASE": f"{home}/mnesia",
            "RABBITMQ_LOG_BASE": f"{home}/log", "RABBITMQ_PID_FILE": f"{home}/pid",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{home}/enabled_plugins",
            "RABBITMQ_CONFIG_FILE": f"{home}/rabbitmq",
        }  # fmt: skip
        server = shutil.which("rabbitmq-server")
        library = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
        with (self.directory / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(library) if library.exists() else str(server)],
                env={**os.environ, **given}, cwd=home, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=ends_with_us(),
            )  # fmt: skip
        wait_until(self._accepts, "RabbitMQ's start", 300)

    def _accepts(self) -> bool:
        if not answers(self.port):
            return False
        try:
            pika.BlockingConnection(pika.URLParameters(self.environment["HUB_BROKER_URL"])).close()
        except (pika.exceptions.AMQPError, OSError):
            return False
        return True

    def stop(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
            wait_until(lambda: not answers(self.port), "RabbitMQ's end", 30)

    def forget(self) -> None:
        with pika.BlockingConnection(
            pika.URLParameters(self.environment["HUB_BROKER_URL"])
        ) as connection:
            for name in ("default", "sending"):
                connection.channel().queue_purge(f"{self.namespace}.{name}")

    def close(self) -> None:
        self.stop()
