"""A worker without its life cycle does not start."""

from types import SimpleNamespace

import pytest

from airflow_on_fargate import patches, worker
from airflow_on_fargate.worker import bootstep

INSTANCE = SimpleNamespace(app=object())


def test_life_cycle_is_attached_before_patches_are_applied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[object] = []
    monkeypatch.setattr(bootstep, "attach", done.append)
    monkeypatch.setattr(patches, "apply_for", done.append)
    worker._attach(instance=INSTANCE)
    assert done == [INSTANCE.app, "worker"]


def test_process_ends_when_the_life_cycle_cannot_be_attached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(app: object) -> None:
        raise ValueError("WORKER_DRAIN_OBJECT must look like s3://bucket/key")

    monkeypatch.setattr(bootstep, "attach", fail)
    with pytest.raises(SystemExit, match="life cycle could not be attached"):
        worker._attach(instance=INSTANCE)


def test_process_ends_when_a_patch_cannot_be_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(component: str) -> None:
        raise patches.PatchError(f"no patch for the {component}")

    monkeypatch.setattr(bootstep, "attach", lambda app: None)
    monkeypatch.setattr(patches, "apply_for", refuse)
    with pytest.raises(SystemExit, match=r"The worker cannot start\. no patch for the worker"):
        worker._attach(instance=INSTANCE)


def test_worker_of_valkey_keeps_its_messages_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstep, "attach", lambda app: None)
    monkeypatch.setattr(patches, "apply_for", lambda component: None)
    conf = SimpleNamespace(broker_url="rediss://:token@valkey:6379/0", broker_transport_options={})
    worker._attach(instance=INSTANCE, conf=conf, options={"queues": ["heavy"]})
    assert conf.broker_transport_options["unacked_key"] == "unacked:heavy"
