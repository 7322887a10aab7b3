"""The ECS executor: one Fargate task for each task of Airflow that names `executor="ecs"`.

The Amazon provider's executor, with what this stack adds or corrects (docs/upstream/ecs-executor.md
has the faults):

- The workload goes through the state bucket, not through the command (`workloads`).
- `executor_config` is checked. What cannot be used fails the task with a sentence in its log; the
  provider raises in the scheduler's loop, which ends the scheduler.
- A container that has started is not started again when it ends badly: its task of Airflow may have
  run half. It fails at once, with ECS's reason, and Airflow's retries apply. A container that never
  started (no capacity, no image) is tried again.
- The end of a scheduler ends no task: the next scheduler adopts it by the ARN.
- Nothing is started while the stack is deleted, and at most a few tasks in one round, because each
  start holds up the scheduler's loop.

Elsewhere than in the scheduler Airflow creates executors only to ask them for logs. Then there is
no configuration, and nothing is connected.
"""

import os
from collections import deque
from typing import Any, Final

from airflow.executors.base_executor import BaseExecutor
from airflow.providers.amazon.aws.executors.ecs import ecs_executor as provider
from airflow.providers.common.compat.sdk import AirflowException

from airflow_on_fargate.contracts.drain_orders import KEY, RETIRED, DrainOrders
from airflow_on_fargate.contracts.names import WORKER
from airflow_on_fargate.executors import workloads
from airflow_on_fargate.executors.ecs_options import (
    ExecutorConfigError,
    own_families,
    run_task_options,
)
from airflow_on_fargate.patches import require
from airflow_on_fargate.patches.scheduler.unsent_tasks import writer

# RunTask takes some 0.3 s, and the scheduler does nothing else meanwhile.
STARTS_IN_A_ROUND: Final = 10


class AwsEcsExecutor(provider.AwsEcsExecutor):
    """Named like the provider's, so that DAGs may name either."""

    pending_workloads: deque[Any]

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._configured = "AIRFLOW__AWS_ECS_EXECUTOR__CLUSTER" in os.environ
        self._paths: dict[Any, str] = {}
        self._reasons: dict[Any, str] = {}
        self._refused: list[tuple[Any, str]] = []
        if not self._configured:
            BaseExecutor.__init__(self, *arguments, **named)
            return
        require("apache-airflow-providers-amazon", "9.39.0")
        super().__init__(*arguments, **named)
        import boto3

        self._s3 = boto3.client("s3")
        self._bucket = os.environ["WORKLOAD_BUCKET_NAME"]
        self._families = own_families(os.environ["STACK_NAME"])

    # ---- taking a task ----

    def execute_async(
        self, key: Any, command: Any, queue: Any = None, executor_config: Any = None
    ) -> None:
        """Queue a workload for the next round."""
        if path := getattr(command[0], "log_path", None):
            self._paths[key] = path
        try:
            options = run_task_options(executor_config, WORKER, self._families)
        except ExecutorConfigError as error:
            # The caller counts the task as running after this call, so it fails in the next round.
            self._refused.append((key, f"The task cannot run on the executor ecs: {error}"))
            return
        super().execute_async(key, command, queue, options)

    @staticmethod
    def _serialize_workload_to_command(workload: Any) -> list[str]:
        return [workloads.COMMAND, workload.model_dump_json()]

    def sync(self) -> None:
        """One round: fail what was refused, look at what runs, start what waits."""
        refused, self._refused = self._refused, []
        for key, reason in refused:
            self.fail(key, reason)
        super().sync()

    def attempt_workload_runs(self) -> None:
        """Start the first few of the waiting workloads."""
        if not self.pending_workloads:
            return
        if self._is_retired():
            self.log.info("The stack is being deleted: no task is started")
            return
        later = deque(list(self.pending_workloads)[STARTS_IN_A_ROUND:])
        self.pending_workloads = deque(list(self.pending_workloads)[:STARTS_IN_A_ROUND])
        before = set(self.active_workers.get_all_arns())
        try:
            super().attempt_workload_runs()
        finally:
            self.pending_workloads.extend(later)
            started = set(self.active_workers.get_all_arns()) - before
            # The scaler says it before it lists what runs, so one of the two sees each task.
            if started and self._is_retired():
                for arn in started:
                    self._stop(arn, "The stack is being deleted")

    def _run_task_kwargs(self, task_id: Any, cmd: Any, queue: Any, exec_config: Any) -> Any:
        command, text = cmd
        address = workloads.store(self._s3, self._bucket, text)
        named = super()._run_task_kwargs(task_id, [command, address], queue, exec_config)
        if "capacityProviderStrategy" in named:
            # RunTask takes one of the two.
            named.pop("launchType", None)
        return named

    def _is_retired(self) -> bool:
        """Whether the scaler has said that the stack is being deleted. If in doubt, no."""
        try:
            body = self._s3.get_object(Bucket=self._bucket, Key=KEY)["Body"].read()
            return DrainOrders.from_bytes(body).current == RETIRED
        except Exception as error:
            # In a first deployment the object does not exist yet.
            self.log.debug("The drain object could not be read: %s", error)
            return False

    # ---- how a task ended ----

    def _AwsEcsExecutor__handle_failed_workload(self, task_arn: str, reason: str) -> None:
        """Called by the provider for a task that failed, or that ECS no longer knows."""
        task = self.active_workers.task_by_arn(task_arn)
        if not task.started_at:
            # In a class of the same name, private names mean the provider's.
            provider.AwsEcsExecutor.__dict__["_AwsEcsExecutor__handle_failed_workload"](
                self, task_arn, reason
            )
            return
        key = self.active_workers.arn_to_key[task_arn]
        self.active_workers.pop_by_key(key)
        self.fail(key, f"The ECS task {task_arn} ended without a result: {_why(task, reason)}")

    def log_task_event(self, *, event: str, extra: str, ti_key: Any) -> None:
        """Keep the reason for the task's own log, besides the audit log."""
        self._reasons[ti_key] = extra
        super().log_task_event(event=event, extra=extra, ti_key=ti_key)

    def fail(self, key: Any, info: Any = None) -> None:
        """Report a failure, and say why in the log of the task."""
        reason = info or self._reasons.pop(key, None)
        if (path := self._paths.pop(key, None)) and reason:
            writer.write(path, str(reason))
        super().fail(key, reason)

    def success(self, key: Any, info: Any = None) -> None:
        """Report that the container ended well; the task has reported its state itself."""
        self._paths.pop(key, None)
        self._reasons.pop(key, None)
        super().success(key, info)

    # ---- the scheduler's own life ----

    def start(self) -> None:
        """Called by the scheduler only. What ECS refuses now is tried again in later rounds.

        The provider's ends the scheduler, and with it the tasks that other executors wait for. In a
        deployment the scheduler may start before its role has the policy of this executor.
        """
        if not self._configured:
            raise RuntimeError("The ECS executor needs the settings of the stack's scheduler")
        try:
            super().start()
        except AirflowException as error:
            self.log.error("No task of the ECS executor starts for now: %s", error)

    def end(self, heartbeat_interval: int = 10) -> None:
        """End at once. The provider's waits for all tasks, until ECS kills the scheduler."""
        self.log.info("%s tasks run on; the next scheduler adopts them", len(self.active_workers))

    def terminate(self) -> None:
        """End no task: this stops a scheduler, not what it has started."""

    def revoke_task(self, *, ti: Any) -> None:
        """Forget a task that was queued for too long, and stop its container."""
        key = ti.key
        self.queued_tasks.pop(key, None)
        self.pending_workloads = deque(each for each in self.pending_workloads if each.key != key)
        self.running.discard(key)
        self._paths.pop(key, None)
        if arn := self.active_workers.key_to_arn.get(key):
            self.active_workers.pop_by_key(key)
            self._stop(arn, "The task was queued for too long")

    def _stop(self, arn: str, reason: str) -> None:
        try:
            self.ecs.stop_task(cluster=self.cluster, task=arn, reason=reason)
        except Exception as error:
            self.log.warning("The ECS task %s could not be stopped: %s", arn, error)

    def _build_task_command(self, ti: Any) -> list[str]:
        """For an adopted task that never starts: the provider's has a workload without a token."""
        from airflow.executors.workloads import ExecuteTask

        try:
            workload = ExecuteTask.make(ti, generator=self.jwt_generator)
        except Exception as error:
            # Most adopted tasks run already and never need it; the others fail when they start.
            self.log.warning("The workload of %s could not be made: %s", ti, error)
            return [workloads.COMMAND, ""]
        if workload.log_path:
            self._paths[ti.key] = workload.log_path
        return self._serialize_workload_to_command(workload)


def _why(task: Any, reason: str) -> str:
    """ECS's reason, and those of the containers: out of memory shows only there."""
    reasons = [reason or "no reason given"]
    for container in task.containers:
        if container.get("reason"):
            reasons.append(container["reason"])
        if container.get("exit_code") is not None:
            reasons.append(f"exit code {container['exit_code']}")
    return ", ".join(dict.fromkeys(reasons))
