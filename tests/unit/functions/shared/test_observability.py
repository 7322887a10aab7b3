"""Logs and metrics of a call."""

import json

import pytest

from shared.observability import MetricName, UnknownEventError, observed


def documents(lines):
    return [json.loads(line) for line in lines.splitlines() if line.startswith("{")]


def test_every_log_line_has_the_stack_and_the_request_id(context, log_lines):
    @observed
    def handler(event, context, telemetry):
        telemetry.logger.info("Hello")

    handler({}, context)
    (line,) = documents(log_lines())
    assert line["message"] == "Hello"
    assert line["stack_name"] == "airflow"
    assert line["request_id"] == context.aws_request_id


def test_log_keys_of_one_call_are_not_in_the_next(context, log_lines):
    @observed
    def handler(event, context, telemetry):
        telemetry.logger.append_keys(**event)
        telemetry.logger.info("Hello")

    handler({"secret_of_the_first": "x"}, context)
    handler({}, context)
    assert "secret_of_the_first" not in documents(log_lines())[-1]


def test_metrics_have_the_stack_as_a_dimension(context, log_lines):
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


def test_a_call_continues_when_the_stack_name_is_missing(context, monkeypatch):
    monkeypatch.delenv("STACK_NAME")
    assert observed(lambda event, context, telemetry: "done")({}, context) == "done"


def test_error_for_an_unknown_event_contains_only_its_keys():
    assert str(UnknownEventError({"b": "secret", "a": 1})).endswith("the keys ['a', 'b']")
