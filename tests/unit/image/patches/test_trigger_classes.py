"""What a task may name as a trigger; test_triggerer.py tries it with a real triggerer."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.jobs.triggerer_job_runner import TriggerRunner
from airflow.triggers.base import BaseTrigger
from airflow.triggers.callback import CallbackTrigger

from airflow_on_fargate.patches.triggerer import classes
from airflow_on_fargate.patches.triggerer.classes import RefusedTriggerError

STANDARD = "airflow.providers.standard.triggers"


def named(classpath: str) -> Any:
    runner = SimpleNamespace(trigger_cache={})
    lookup = classes._only_triggers(TriggerRunner.get_trigger_by_classpath)
    try:
        return lookup(runner, classpath)
    finally:
        # A second attempt must not find it in the cache.
        if runner.trigger_cache:
            assert issubclass(runner.trigger_cache[classpath], BaseTrigger)


@pytest.mark.parametrize(
    "classpath",
    [
        "os.system",
        "subprocess.Popen",
        "subprocess.check_output",
        "subprocess.Popen.__init__",
        "builtins.eval",
        "builtins.__import__",
        "importlib.import_module",
        "logging.config.dictConfig",
        "airflow.models.Connection",
        "airflow.models.variable.Variable.set",
        "airflow.triggers.base.TriggerEvent",
        "airflow.providers.standard.operators.bash.BashOperator",
        "airflow.providers.standard.operators.python.PythonOperator",
        "airflow.utils.session.create_session",
        "pickle.loads",
    ],
)
def test_task_cannot_name_anything_but_a_trigger(classpath: str) -> None:
    with pytest.raises((RefusedTriggerError, ImportError, AttributeError)):
        named(classpath)


def run(trigger: Any) -> list[Any]:
    async def events() -> list[Any]:
        method = classes._not_for_tasks(type(trigger).run)
        found = method(trigger) if isinstance(trigger, CallbackTrigger) else trigger.run()
        return [each async for each in found]

    return asyncio.run(asyncio.wait_for(events(), 60))


def writing(marker: Path) -> CallbackTrigger:
    return CallbackTrigger("os.system", {"command": f"echo ran > {marker}"})


def test_task_cannot_have_a_callback_run(tmp_path: Path) -> None:
    trigger = writing(tmp_path / "ran")
    trigger.task_instance = SimpleNamespace(task_id="one", dag_id="one", run_id="one", map_index=-1)
    with pytest.raises(RefusedTriggerError):
        run(trigger)
    assert not (tmp_path / "ran").exists()


def test_limit_callback_of_a_deadline_runs_any_function(tmp_path: Path) -> None:
    """Its DAG file says which, and the dag-processor has more than the triggerer."""
    run(writing(tmp_path / "ran"))
    assert (tmp_path / "ran").exists()


def test_limit_trigger_of_the_image_acts_with_the_rights_of_the_triggerer(tmp_path: Path) -> None:
    file = tmp_path / "of-the-triggerer"
    file.touch()
    trigger = named(f"{STANDARD}.file.FileDeleteTrigger")(filepath=str(file), poke_interval=0.1)
    assert len(run(trigger)) == 1
    assert not file.exists()
