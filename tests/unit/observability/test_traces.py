"""When there are spans, and what it costs when there are none. In processes of their own: tracing is set up once."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tenrusl.observability import traces
from tenrusl.observability.traces import NOWHERE, TraceContext, context_from, is_sampled
from tenrusl.settings import SettingsError, TracesExporter, load

APP_KEY = {"APP_KEY": "base64:" + "A" * 43 + "="}
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PRELUDE = """
import sys
from tenrusl.observability import logs, traces
from tenrusl.settings import load
import structlog
stop = traces.configure(load({environ}), service="ingress")
"""


def printed(code: str, **environ: str) -> list[str]:
    """Lines on stdout; nothing may go to stderr."""
    script = PRELUDE.format(environ=APP_KEY | environ) + code
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **environ},  # the SDK reads some of them by itself
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.splitlines()


def spans(code: str, **environ: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed(code, OTEL_TRACES_EXPORTER="console", **environ)]


@pytest.mark.parametrize(
    ("services", "nothing_of"),
    [
        (["gateway"], "opentelemetry"),
        # redis-py imports some of the SDK by itself, for metrics that nobody here turns on.
        (["ingress", "processor", "scheduler", "admin"], ("opentelemetry.sdk.trace", "opentelemetry.exporter")),
    ],
)
def test_without_traces_opentelemetry_is_not_imported(services: list[str], nothing_of: str | tuple[str, ...]) -> None:
    code = f"""
import importlib
for name in {services}:
    importlib.import_module(f"services.{{name}}.__main__")
with traces.span("a") as span:
    span.set({{"b": 1}})
assert span is traces.NO_SPAN and not traces.enabled() and traces.current() is traces.NOWHERE
assert traces.log_fields() == {{}} and traces.outgoing_metadata() == ()
stop()
print([name for name in sys.modules if name.startswith({nothing_of!r})])
"""
    assert printed(code) == ["[]"]


@pytest.mark.parametrize(
    ("environ", "exporter"),
    [
        ({}, TracesExporter.NONE),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317"}, TracesExporter.OTLP),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4317"}, TracesExporter.OTLP),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, TracesExporter.OTLP),
        ({"OTEL_TRACES_EXPORTER": "console"}, TracesExporter.CONSOLE),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317"}, TracesExporter.NONE),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"}, TracesExporter.NONE),
    ],
)
def test_the_environment_decides_where_spans_go(environ: dict[str, str], exporter: TracesExporter) -> None:
    assert load(APP_KEY | environ).traces_exporter is exporter


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.5"),
        ("OTEL_TRACES_SAMPLER_ARG", "nan"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        load(APP_KEY | {name: value})


def test_a_span_has_name_parent_attributes_and_the_services_name() -> None:
    code = f"""
with traces.span("above", parent=traces.TraceContext("{PARENT}", "vendor=a")):
    with traces.span("below", attributes={{"n": 1}}):
        pass
stop()
"""
    below, above = spans(code)
    assert (above["name"], below["name"]) == ("above", "below")
    assert above["context"]["trace_id"] == below["context"]["trace_id"] == "0x0af7651916cd43dd8448eb211c80319c"
    assert (above["parent_id"], below["parent_id"]) == ("0xb7ad6b7169203331", above["context"]["span_id"])
    assert below["attributes"] == {"n": 1}
    assert above["resource"]["attributes"]["service.name"] == "tenrusl-ingress"
    (named,) = spans('traces.span("a").end()', OTEL_SERVICE_NAME="mine")
    assert named["resource"]["attributes"]["service.name"] == "mine"


def test_an_error_leaves_its_class_in_the_span_and_not_its_message() -> None:
    code = """
try:
    with traces.span("a"):
        raise ValueError("hunter2")
except ValueError:
    pass
"""
    (span,) = spans(code)
    assert span["status"] == {"status_code": "ERROR", "description": "ValueError"}
    assert "hunter2" not in json.dumps(span)


@pytest.mark.parametrize(("sampler", "kept"), [("always_off", 0), ("always_on", 1), ("parentbased_traceidratio", 0)])
def test_a_sampler_chooses(sampler: str, kept: int) -> None:
    code = 'traces.span("a").end()'
    assert len(spans(code, OTEL_TRACES_SAMPLER=sampler, OTEL_TRACES_SAMPLER_ARG="0")) == kept


def test_a_senders_headers_never_reach_the_log() -> None:
    code = f"""
logs.configure(service="ingress", json=True)
for state in ("hunter2", "hunter2=", "a=hunter2,a=hunter2", "a=1;hunter2=", "1hunter2=1", "a=hunter2=", "x" * 600):
    given = [("traceparent", "{PARENT}"), ("tracestate", state)]
    traces.span("a", parent=traces.context_from(given)).end()
"""
    lines = spans(code)
    assert [line["name"] for line in lines] == ["a"] * 7  # no line of a log among them
    assert {line["context"]["trace_id"] for line in lines} == {"0x0af7651916cd43dd8448eb211c80319c"}


def test_where_there_is_no_span_what_runs_by_itself_makes_none() -> None:
    code = """
traces.span_within("alone").end()
with traces.span("above"):
    traces.span_within("within").end()
"""
    assert [span["name"] for span in spans(code)] == ["within", "above"]


def test_a_log_line_names_the_current_span() -> None:
    code = """
logs.configure(service="ingress", json=True)
log = structlog.get_logger("test")
log.info("outside")
with traces.span("a"):
    log.info("inside")
    log.info("about another", **traces.log_fields(traces.TraceContext("00-11-22-01")))
"""
    outside, inside, other, span = spans(code)
    assert "trace_id" not in outside
    assert f"0x{inside['trace_id']}" == span["context"]["trace_id"]
    assert f"0x{inside['span_id']}" == span["context"]["span_id"]
    assert (other["trace_id"], other["span_id"]) == ("11", "22")


def test_a_collector_that_is_away_does_not_keep_a_process_from_ending() -> None:
    code = 'logs.configure(service="ingress", json=True); traces.span("a").end(); stop(); print("ended")'
    lines = printed(code, OTEL_TRACES_EXPORTER="otlp", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
    assert "ended" in lines


@pytest.mark.parametrize(
    ("headers", "context"),
    [
        ([], NOWHERE),
        ([("traceparent", PARENT)], TraceContext(PARENT)),
        ([("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2")], TraceContext(PARENT, "a=1,b=2")),
        ([("traceparent", PARENT), ("traceparent", PARENT)], NOWHERE),
        ([("tracestate", "a=1")], NOWHERE),
        ([("traceparent", PARENT.upper())], NOWHERE),
        ([("traceparent", f"{PARENT}-more")], NOWHERE),
        ([("traceparent", "ff" + PARENT[2:])], NOWHERE),
        ([("traceparent", PARENT), ("tracestate", "a=1, ,tenant@b=2 ")], TraceContext(PARENT, "a=1,tenant@b=2")),
        ([("traceparent", PARENT), ("tracestate", "a=1,whatever somebody writes")], TraceContext(PARENT)),
        ([("traceparent", PARENT), ("tracestate", "1=2")], TraceContext(PARENT)),
        ([("traceparent", PARENT), ("tracestate", ",".join(f"a{n}=1" for n in range(33)))], TraceContext(PARENT)),
        ([("traceparent", PARENT), ("tracestate", f"a={'1' * 511}")], TraceContext(PARENT)),
    ],
)
def test_the_senders_headers_are_read(headers: list[tuple[str, str]], context: TraceContext) -> None:
    assert context_from(headers) == context


@pytest.mark.parametrize(("flags", "sampled"), [("01", True), ("03", True), ("00", False), ("02", False), ("", False)])
def test_the_senders_flags_are_read(flags: str, sampled: bool) -> None:
    assert is_sampled(TraceContext(PARENT[:-2] + flags)) is sampled
    assert traces.lead_of([NOWHERE, TraceContext(PARENT[:-2] + flags)]) == int(sampled)
