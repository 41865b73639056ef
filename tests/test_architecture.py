"""What the import contracts cannot see, read from the syntax trees of the sources.

Each rule takes a path relative to the project and the tree of that file and yields the lines that
break it. A seeded violation proves for each rule that it can fail.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hub.domain.jobs import Job
from jobs.actors import ACTORS
from jobs.schedule import SCHEDULES

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("hub", "connectors", "schema", "jobs")
Rule = Callable[[str, ast.Module], Iterator[int]]

SESSION = "hub/storage/scoped_session.py"
COMMITS = ("hub/storage/session.py", "hub/storage/committer.py")
MIGRATIONS = "hub/storage/migrations/"

# Files that may use what a rule forbids elsewhere, with the reason.
COLUMN_METADATA = {
    "schema/mapping/declare.py": "names the columns a type declares; runs no statement",
    "schema/mapping/checks.py": "compares declarations with columns; runs no statement",
}
ENGINES = {
    "hub/storage/engines.py": "the engines of the hub",
    "hub/storage/migrate.py": "reads the revision before a session may be opened",
    "hub/storage/backup.py": "reads a whole database in one snapshot, longer than sessions may",
}
DRIVERS = {
    "hub/storage/backup.py": "takes SQLite's online backup, which no session offers",
    "hub/storage/checkpoints.py": "copies SQLite's log between commits, on the connection they use",
    "hub/storage/exchange.py": "sends statements that somebody vouches for to PostgreSQL",
    "hub/storage/audit_writer.py": "appends to the audit trail, by statements of its own",
    "hub/storage/reads/driver.py": "runs compiled parts on connections that only read",
    "hub/storage/reads/wire.py": "encodes the parameters of compiled parts",
    "hub/storage/reads/explain.py": "asks how compiled parts would be read, and runs none",
    "hub/storage/running.py": "ends a statement on the connection it is told",
    "hub/storage/scope_settings.py": "tells PostgreSQL the scope as each transaction begins",
}
KNOWN_SQL = {
    "part.sql",
    "part.sql.encode()",
    "MAP_THE_FILE",
    "_BEGIN",
    "_NUMBERED",
    "_OF_THE_HUB[begins, scope.unrestricted, durable]",
}
"""What drivers are given where it is no constant: compiled parts, and the settings of a scope."""
FRAGMENTS = "hub/storage/reads/fragments.py"
PIPES = {"jobs/children.py": "sends a child process's answer to its parent"}
OWN_CLOCK = {
    "hub/entrypoints/": "hands the clock to everything below",
    "connectors/sdk/simulated_vendor/": "a simulated vendor signs by its own clock",
}
POINTERS = {"jobs/pointers.py": "hands ids and tokens of claimed rows to Redis or RabbitMQ"}


def calls(tree: ast.Module) -> Iterator[tuple[ast.Call, str]]:
    """Calls of the form ``something.name(…)`` with their name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node, node.func.attr


def imported(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """Line, module and name of every import; the name is empty for ``import module``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, node.module or "", alias.name) for alias in node.names)


def only_the_session_commits(path: str, tree: ast.Module) -> Iterator[int]:
    if path in COMMITS or path.startswith(MIGRATIONS):
        return
    for call, name in calls(tree):
        opens_a_transaction = name == "begin" and not call.args and not call.keywords
        if name == "commit" or opens_a_transaction:
            yield call.lineno


def every_session_carries_a_scope(path: str, tree: ast.Module) -> Iterator[int]:
    """A plain SQLAlchemy session or engine would read every practice's rows."""
    engine_allowed = path in ENGINES or path.startswith(MIGRATIONS)
    for line, module, name in imported(tree):
        if not module.startswith("sqlalchemy"):
            continue
        if name in {"Session", "sessionmaker", "scoped_session"} and path != SESSION:
            yield line
        if name in {"create_engine", "engine_from_config"} and not engine_allowed:
            yield line


def only_settings_read_the_environment(path: str, tree: ast.Module) -> Iterator[int]:
    if path == "hub/settings.py":
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv"}:
            yield node.lineno
    for line, module, name in imported(tree):
        if module == "os" and name in {"environ", "environb", "getenv"}:
            yield line


def jobs_are_rows_and_never_sent(path: str, tree: ast.Module) -> Iterator[int]:
    """`dramatiq` stays in jobs/, and nobody below the entry points sends anything through it."""
    ours = path.startswith(("jobs/", "schema/", "hub/"))
    below = ours and not path.startswith("hub/entrypoints/")
    for call, name in calls(tree):
        if (path in PIPES and name == "send") or (path in POINTERS and name == "enqueue"):
            continue
        if (ours and name in {"send_with_options", "enqueue"}) or (below and name == "send"):
            yield call.lineno
    for line, module, _ in imported(tree):
        if module.partition(".")[0] == "dramatiq" and not path.startswith("jobs/"):
            yield line


def storage_functions_take_the_session(path: str, tree: ast.Module) -> Iterator[int]:
    """A public function of hub/storage/<noun>.py takes the scoped session first, or has nothing to
    do with the database at all."""
    exempt = {
        "hub/storage/committer.py",
        "hub/storage/driver_errors.py",
        "hub/storage/engines.py",
        "hub/storage/inserting.py",
        "hub/storage/migrate.py",
        "hub/storage/crypto.py",
        "hub/storage/backup.py",
        "hub/storage/scope_settings.py",
    }
    if Path(path).parent != Path("hub/storage") or path in exempt:
        return
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            parameters = [*node.args.posonlyargs, *node.args.args]
            first = parameters[0] if parameters else None
            takes_session = (
                first is not None
                and first.arg == "session"
                and isinstance(first.annotation, ast.Name)
                and first.annotation.id == "ScopedSession"
            )
            if not takes_session and _touches_the_database(node):
                yield node.lineno


def _touches_the_database(function: ast.FunctionDef) -> bool:
    handles = {"Session", "ScopedSession", "Connection", "Engine", "Database"}
    statements = {"select", "insert", "update", "delete", "text"}
    runs = {"execute", "scalars", "scalar", "get_one", "query", "exec_driver_sql"}
    for argument in [*function.args.args, *function.args.kwonlyargs]:
        if isinstance(argument.annotation, ast.Name) and argument.annotation.id in handles:
            return True
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            target = node.func
            if isinstance(target, ast.Name) and target.id in statements:
                return True
            if isinstance(target, ast.Attribute) and target.attr in runs:
                return True
    return False


def tables_are_reached_through_storage(path: str, tree: ast.Module) -> Iterator[int]:
    """Core access would pass by the criteria that keep foreign practices out."""
    if path.startswith("hub/storage/"):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            metadata = node.attr == "__table__" and path not in COLUMN_METADATA
            if metadata or node.attr in {"exec_driver_sql", "from_statement"}:
                yield node.lineno
    for line, module, name in imported(tree):
        if not module.startswith("sqlalchemy"):
            continue
        if name in {"text", "literal_column"} or (name == "Table" and path not in COLUMN_METADATA):
            yield line


def drivers_run_compiled_parts_only(path: str, tree: ast.Module) -> Iterator[int]:
    """The database drivers are touched in one place; what it runs is made by the compiler, and no
    text of SQL is put together."""
    for line, module, _ in imported(tree):
        is_driver = module.partition(".")[0] in {"psycopg", "psycopg_pool", "sqlite3"}
        if is_driver and path not in DRIVERS:
            yield line
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", None) or getattr(node.func, "attr", None)
        if name == "CompiledPart" and path != "hub/storage/reads/compile.py":
            yield node.lineno
        runs = {"execute": 0, "executemany": 0, "executescript": 0, "send_prepare": 1}
        others = {"send_query", "send_query_params", "exec_", "exec_params"}
        if path in DRIVERS and name in {*runs, *others}:
            said = node.args[runs.get(name, 0)]
            if ast.unparse(said) not in KNOWN_SQL and not isinstance(said, ast.Constant):
                yield node.lineno


def sql_is_never_written_as_text(path: str, tree: ast.Module) -> Iterator[int]:
    """Reads are made of SQLAlchemy Core, or of the fragments of one module: no `text`, no
    `literal_column`, no parameter of SQL, and no fragment of one's own."""
    if not path.startswith("hub/storage/reads/"):
        return
    for line, module, name in imported(tree):
        if module.startswith("sqlalchemy") and name in {"text", "literal_column", "TextClause"}:
            yield line
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and node.arg in {"sql", "statement"}:
            annotation = "" if node.annotation is None else ast.unparse(node.annotation)
            if annotation in {"str", "bytes"}:
                yield node.lineno
        if isinstance(node, ast.Call) and path != FRAGMENTS:
            name = getattr(node.func, "id", None) or getattr(node.func, "attr", None)
            if name in {"Sql", "Query", "From"}:
                yield node.lineno


def the_clock_is_handed_down(path: str, tree: ast.Module) -> Iterator[int]:
    is_simulator = path.startswith("connectors/") and Path(path).name.startswith("simulator")
    if path.startswith(tuple(OWN_CLOCK)) or is_simulator:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner, name = node.value.id, node.attr
            if owner in {"datetime", "date"} and name in {"now", "utcnow", "today"}:
                yield node.lineno
            if (owner, name) in {("time", "time"), ("time", "time_ns")}:
                yield node.lineno


def nothing_prints(path: str, tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "print":
            yield node.lineno


# Rule, and a file with a line that breaks it.
RULES: dict[Rule, list[tuple[str, str]]] = {
    only_the_session_commits: [
        ("hub/services/x.py", "def f(session): session.commit()"),
        ("hub/storage/x.py", "with engine.begin() as connection: pass"),
    ],
    every_session_carries_a_scope: [
        ("hub/services/x.py", "from sqlalchemy.orm import Session"),
        ("jobs/x.py", "from sqlalchemy import create_engine"),
    ],
    only_settings_read_the_environment: [
        ("hub/log.py", "import os\nlevel = os.environ['LEVEL']"),
        ("connectors/x/client.py", "from os import getenv"),
    ],
    jobs_are_rows_and_never_sent: [
        ("schema/x.py", "place.send(order_id)"),
        ("hub/entrypoints/x.py", "actor.send_with_options(args=())"),
        ("hub/entrypoints/x.py", "import dramatiq"),
    ],
    storage_functions_take_the_session: [
        ("hub/storage/x.py", "def all_rows(): return select(Patient)"),
        ("hub/storage/x.py", "def get(connection, key): return connection.execute(key)"),
        ("hub/storage/x.py", "def get(key: str, session: ScopedSession): return None"),
        ("hub/storage/x.py", "def get(session: Session, key: str): return session.scalar(key)"),
    ],
    tables_are_reached_through_storage: [
        ("hub/services/x.py", "rows = Patient.__table__"),
        ("schema/x.py", "from sqlalchemy import text"),
        ("jobs/x.py", "connection.exec_driver_sql('SELECT 1')"),
    ],
    drivers_run_compiled_parts_only: [
        ("schema/x.py", "import psycopg"),
        ("hub/storage/reads/text.py", "part = CompiledPart('SELECT 1', (), ())"),
        ("hub/storage/reads/driver.py", "connection.execute(f'SELECT {name}')"),
        ("hub/storage/reads/driver.py", "connection.execute(text)"),
        ("hub/storage/exchange.py", "libpq.send_prepare(name, text)"),
        ("hub/storage/scope_settings.py", "libpq.exec_(said)"),
    ],
    sql_is_never_written_as_text: [
        ("hub/storage/reads/x.py", "from sqlalchemy import text"),
        ("hub/storage/reads/x.py", "def run(sql: str): return None"),
        ("hub/storage/reads/x.py", "clause = Sql(f'{column} = 1')"),
        ("hub/storage/reads/x.py", "rows = fragments.From('t', name, {})"),
    ],
    the_clock_is_handed_down: [
        ("hub/domain/x.py", "now = datetime.now(UTC)"),
        ("hub/services/x.py", "default = datetime.utcnow"),
        ("connectors/x/parse.py", "today = date.today()"),
    ],
    nothing_prints: [("hub/services/x.py", "print('done')")],
}


def sources() -> list[tuple[str, ast.Module]]:
    """Every Python file of the four packages, parsed."""
    return [
        (path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8")))
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
    ]


@pytest.fixture(scope="module")
def trees() -> list[tuple[str, ast.Module]]:
    return sources()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_sources_keep_the_rule(rule: Rule, trees: list[tuple[str, ast.Module]]) -> None:
    assert [f"{path}:{line}" for path, tree in trees for line in rule(path, tree)] == []


@pytest.mark.parametrize(
    ("rule", "path", "source"),
    [(rule, *seed) for rule, seeds in RULES.items() for seed in seeds],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_the_rule_catches_a_seeded_violation(rule: Rule, path: str, source: str) -> None:
    assert list(rule(path, ast.parse(source))) != []


@pytest.mark.parametrize("allowed", [*COLUMN_METADATA, *ENGINES, *DRIVERS, *OWN_CLOCK])
def test_every_exception_to_a_rule_still_exists(allowed: str) -> None:
    assert (ROOT / allowed).exists()


def test_every_job_has_one_actor_and_every_actor_a_job() -> None:
    assert set(ACTORS) == set(Job)


@pytest.mark.parametrize("job", Job)
def test_a_job_is_named_after_the_function_that_runs_it(job: Job) -> None:
    run = ACTORS[job].run
    assert f"{run.__module__}.{run.__qualname__}" == f"jobs.{job.value}"


def test_every_schedule_starts_a_job_that_has_an_actor() -> None:
    assert {spec.job for spec in SCHEDULES} <= set(ACTORS)


def test_the_import_contract_keeps_every_connector_apart() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    apart = next(each["modules"] for each in contracts if each["type"] == "independence")
    connectors = {path.parent.name for path in (ROOT / "connectors").glob("*/connector.toml")}
    assert set(apart) == {f"connectors.{name}" for name in connectors}
