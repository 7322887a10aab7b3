"""Requests to SQS have a time limit with the patch."""

from types import SimpleNamespace

import pycurl
import pytest
from kombu.asynchronous.aws.connection import AsyncHTTPSConnection

from airflow_on_fargate import patches


def test_requests_have_a_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AsyncHTTPSConnection, "getrequest", AsyncHTTPSConnection.getrequest)
    patches.apply("worker.request_limits")
    connection = AsyncHTTPSConnection(http_client=object())
    connection.request("GET", "http://127.0.0.1/")
    options: dict[int, int] = {}
    connection.getrequest().on_prepare(SimpleNamespace(setopt=options.__setitem__))
    assert options[pycurl.TIMEOUT] > 20  # the longest long poll that SQS allows
    assert options[pycurl.CONNECTTIMEOUT] < options[pycurl.TIMEOUT]
