"""Logs and metrics of a call."""

import json

import pytest

from shared.observability import MetricName, UnknownEventError, observed


def documents(lines):
    return [json.loads(line) for line in lines.splitlines() if line.startswith("{")]


def test_every_log_line_names_the_stack_and_the_request_when_logged(context, log_lines):
    @observed
    def handler(event, context, telemetry):
        telemetry.logger.info("Hello")

    handler({}, context)
    (line,) = documents(log_lines())
    assert line["message"] == "Hello"
    assert line["stack_name"] == "airflow"
    assert line["request_id"] == context.aws_request_id


def test_keys_of_one_call_do_not_show_when_the_next_logs(context, log_lines):
    @observed
    def handler(event, context, telemetry):
        telemetry.logger.append_keys(**event)
        telemetry.logger.info("Hello")

    handler({"secret_of_the_first": "x"}, context)
    handler({}, context)
    assert "secret_of_the_first" not in documents(log_lines())[-1]


def test_metrics_are_written_with_the_stack_when_counted(context, log_lines):
    @observed
    def handler(event, context, telemetry):
        telemetry.count(MetricName.WORKERS_LAUNCHED, 3)
        telemetry.count(MetricName.WORKERS_DIED, 0)

    handler({}, context)
    (document,) = documents(log_lines())
    assert document["WorkersLaunched"] == [3.0]
    assert document["Stack"] == "airflow"
    (metrics,) = document["_aws"]["CloudWatchMetrics"]
    assert metrics["Namespace"] == "AirflowOnFargate"
    assert [metric["Name"] for metric in metrics["Metrics"]] == ["WorkersLaunched"]


def test_an_error_is_logged_and_raised_again_when_the_handler_fails(context, log_lines):
    @observed
    def handler(event, context, telemetry):
        telemetry.count(MetricName.WORKERS_DIED)
        raise RuntimeError("The disk is full")

    with pytest.raises(RuntimeError):
        handler({}, context)
    lines = log_lines()
    assert "The disk is full" in lines
    assert "WorkersDied" in lines


def test_a_call_goes_on_when_the_stack_name_is_missing(context, monkeypatch):
    monkeypatch.delenv("STACK_NAME")
    assert observed(lambda event, context, telemetry: "done")({}, context) == "done"


def test_an_unknown_event_is_described_by_its_keys_only_when_refused():
    assert str(UnknownEventError({"b": "secret", "a": 1})).endswith("the keys ['a', 'b']")
