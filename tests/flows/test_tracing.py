"""Traces of a running hub: one from a message to what its job did, and nothing of a patient."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from hub import tracing
from hub.domain.jobs import Job
from hub.errors import BadSetting
from hub.services import sync
from hub.storage import queue
from hub.storage.tables import InboundMessage
from tests.polling import wait_until

pytestmark = pytest.mark.end_to_end
PATIENT = ("Testperson", "Number77", "M77", "19310707", "C77", "DESKEHR", "NORTH")
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    tracing.use(SimpleSpanProcessor(exporter))
    yield exporter
    tracing.stop()


def named(spans: InMemorySpanExporter, name: str) -> list[Any]:
    return [span for span in spans.get_finished_spans() if span.name == name]


def ask(flow: Any, name: str, query: str) -> None:
    headers = {
        "authorization": f"Bearer {flow.keys['desk']}",
        "traceparent": f"00-{TRACE}-b7ad6b7169203331-01",
    }
    sent = {"query": query, "operationName": name, "variables": {"name": "Number77"}}
    with httpx2.Client(trust_env=False, timeout=30) as client:
        assert client.post(f"{flow.url}/graphql", json=sent, headers=headers).status_code == 200


def test_a_message_and_its_job_are_one_trace_without_anything_of_the_patient(
    spans: InMemorySpanExporter, flow: Any, message: Callable[..., bytes]
) -> None:
    flow.send(message(77, birth="19310707"))
    flow.send(message(77, birth="19310708"))  # the control id again, refused
    wait_until(lambda: flow.rows(InboundMessage)[0].state == "processed")
    flow.work(lambda s: sync.request_all(s, sources=["payroll_rest"], now=flow.hub.now()))
    flow.work(lambda s: queue.add(s, Job.PROCESS_MESSAGE, {"inbox_id": "Testperson"},
                                  now=flow.hub.now(), max_attempts=1))  # fmt: skip
    flow.wait_until_idle()
    query = "query Board($name: String) { patients(first: 5) { nodes { id } } }"
    ask(flow, "Board", query)
    ask(flow, "Board Testperson^Number77", query)
    wait_until(lambda: len(named(spans, "graphql")) == 2)
    wait_until(lambda: len(named(spans, "connector")) > 0)

    received = named(spans, "mllp receive")
    codes = [span.attributes["hl7.acknowledgement"] for span in received]
    assert codes == ["AA", "AE"]
    jobs = {span.context.trace_id: span for span in named(spans, "job")}
    read = jobs[received[0].context.trace_id]
    assert read.parent.span_id == received[0].context.span_id
    assert read.attributes == {"job.kind": "ingest.process_message", "job.attempt": 1}
    failed = [span for span in named(spans, "job") if not span.status.is_ok]
    assert [span.attributes["job.kind"] for span in failed] == ["ingest.process_message"]
    calls = named(spans, "connector")
    assert {span.attributes["connector"] for span in calls} == {"payroll_rest"}
    assert {span.context.trace_id for span in calls} <= set(jobs)
    asked = named(spans, "graphql")
    assert [dict(span.attributes) for span in asked] == [{"graphql.operation.name": "Board"}, {}]
    assert {f"{span.context.trace_id:032x}" for span in asked} == {TRACE}
    said = "".join(span.to_json() for span in spans.get_finished_spans())
    assert [word for word in PATIENT if word in said] == []
    assert all(not span.events for span in spans.get_finished_spans())


def test_nothing_of_opentelemetry_is_imported_while_traces_are_off() -> None:
    """What the roles import at their start, and a span."""
    program = (
        "import sys; import hub.entrypoints.service, jobs.worker; from hub import tracing\n"
        "tracing.start({})\n"
        "with tracing.span('graphql', {}): assert tracing.carried() == ''\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env={})
    assert ran.stdout.strip() == "[]", ran.stderr


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://localhost:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_the_variables_of_opentelemetry_decide(environment: dict[str, str], wanted: bool) -> None:
    assert tracing.is_wanted(environment) is wanted


def test_traces_that_cannot_be_made_are_said_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace.export", None)
    with pytest.raises(BadSetting, match="mso-hub\\[tracing\\]"):
        tracing.start({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"})
    assert not tracing.is_on()
