"""The drain object: what the scaler writes, a worker reads."""

import pytest

from contracts.drain_orders import DrainOrders


def test_orders_survive_writing_and_reading():
    orders = DrainOrders("airflow-worker:7").naming("heavy", ["b", "a"]).naming("default", ["c"])
    read = DrainOrders.from_bytes(orders.to_bytes())
    assert read == DrainOrders("airflow-worker:7", {"heavy": ("a", "b"), "default": ("c",)})
    assert read.named == {"a", "b", "c"}


def test_naming_replaces_the_tasks_named_before_for_the_queue():
    orders = DrainOrders("w:1", {"heavy": ("a",), "default": ("b",)}).naming("heavy", ["c"])
    assert orders.named == {"b", "c"}


def test_nothing_drains_when_only_the_revision_is_written():
    assert DrainOrders("w:1").to_bytes() == b'{"current": "w:1"}'
    assert DrainOrders.from_bytes(b'{"current": "w:1"}').named == frozenset()


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"current": 7}', b'{"current": "w:1", "drain": ["a"]}', b"\xff"]
)
def test_other_bytes_are_refused(data):
    with pytest.raises(ValueError):
        DrainOrders.from_bytes(data)
