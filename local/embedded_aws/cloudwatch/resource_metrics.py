"""AWS/ECS, AWS/RDS and AWS/ApplicationELB: what these services send to CloudWatch each minute.

ministack 1.5.33 sends none of it. The values are measured: CPU and memory of the processes of a
task and of PostgreSQL, connections to its port, the size of its files, the load balancer's answers.
As on AWS, each task of a service is a datapoint, and there is none without a task; tasks outside
of services, the workers, have no metrics. With RUNTIME=podman CPU and memory of tasks are zero.

Not measured: ReadLatency, WriteLatency (zero) and CPUCreditBalance (absent).
"""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ministack.services import alb, rds

from embedded_aws.cloudwatch import clock, process_usage
from embedded_aws.cloudwatch.process_usage import Usage
from embedded_aws.containers.runtime import containers_of
from embedded_aws.ecs import engine as ecs
from embedded_aws.load_balancing import answers, target_health
from embedded_aws.rds import instances
from embedded_aws.settings import Settings

_MIB = 2**20
_GIB = 2**30
# Of the smallest family of each size, as nested/database-alarms.yaml counts.
_DATABASE_GIB = {"micro": 1, "small": 2, "medium": 4, "large": 8, "xlarge": 16}
_DATABASE_VCPU = {"micro": 2, "small": 2, "medium": 2, "large": 2, "xlarge": 4}
_SHARED_BUFFERS = 128 * _MIB


def install(settings: Settings) -> None:
    meter = ResourceMeter(settings.database_port)
    clock.add_recorder(meter.record)


class ResourceMeter:
    """Measures, and remembers the CPU time of the minute before."""

    def __init__(self, database_port: int) -> None:
        self._database_port = database_port
        self._before: dict[int, float] = {}
        self._measured_at = time.monotonic()

    def record(self, at: float) -> None:
        tasks = dict(_tasks_of_services())
        servers = dict(instances.running_servers())
        if not tasks and not servers and not alb._lbs:
            return
        leaders = {pid for pid, _ in servers.values()} | {
            container.pid for task_arn in tasks for container in containers_of(task_arn)
        }
        usage = process_usage.of_leaders(leaders) if leaders else {}
        now = time.monotonic()
        seconds, self._measured_at = max(now - self._measured_at, 0.001), now
        for task_arn, (service, task) in tasks.items():
            self._record_task(task_arn, service, task, usage, seconds, at)
        for instance_id, (pid, folder) in servers.items():
            self._record_database(instance_id, usage.get(pid, Usage()), pid, folder, seconds, at)
        self._before = {leader: each.cpu_seconds for leader, each in usage.items()}
        _record_load_balancers(at)

    def _cpu(self, leader: int, usage: Usage, seconds: float) -> float:
        """Busy processors in this minute; what has just appeared counts from its start."""
        used = usage.cpu_seconds - self._before.get(leader, 0.0)
        return max(0.0, used) / seconds

    def _record_task(
        self,
        task_arn: str,
        service: ecs.Service,
        task: ecs.Task,
        usage: Mapping[int, Usage],
        seconds: float,
        at: float,
    ) -> None:
        leaders = [each.pid for each in containers_of(task_arn)]
        found = [(pid, usage[pid]) for pid in leaders if pid in usage]
        cpu = sum(self._cpu(pid, each, seconds) for pid, each in found)
        memory = sum(each.memory_bytes for _, each in found)
        dimensions = {
            "ClusterName": ecs.cluster_name_of(task),
            "ServiceName": str(service["serviceName"]),
        }
        for metric, value in (
            ("CPUUtilization", 100 * cpu / (int(task.get("cpu") or 1024) / 1024)),
            ("MemoryUtilization", 100 * memory / (int(task.get("memory") or 2048) * _MIB)),
        ):
            # A process of this machine may use more than its task would have.
            clock.record("AWS/ECS", metric, min(value, 100.0), dimensions, at, "Percent")

    def _record_database(
        self, instance_id: str, usage: Usage, pid: int, folder: Path, seconds: float, at: float
    ) -> None:
        instance = rds._instances[instance_id]
        size = str(instance["DBInstanceClass"]).rpartition(".")[2]
        vcpu = _DATABASE_VCPU.get(size, 8)
        memory = _DATABASE_GIB.get(size, 32) * _GIB
        values = {
            "CPUUtilization": (100 * self._cpu(pid, usage, seconds) / vcpu, "Percent"),
            "FreeableMemory": (memory - _SHARED_BUFFERS - usage.memory_bytes, "Bytes"),
            "FreeStorageSpace": (
                int(instance["AllocatedStorage"]) * _GIB - _bytes_in(folder),
                "Bytes",
            ),
            "DatabaseConnections": (
                process_usage.established_connections(self._database_port),
                "Count",
            ),
            "ReadLatency": (0.0, "Seconds"),
            "WriteLatency": (0.0, "Seconds"),
        }
        for metric, (value, unit) in values.items():
            dimensions = {"DBInstanceIdentifier": instance_id}
            clock.record("AWS/RDS", metric, max(0.0, float(value)), dimensions, at, unit)


def _tasks_of_services() -> Iterator[tuple[str, tuple[ecs.Service, ecs.Task]]]:
    for service in list(ecs.stock._services.values()):
        for task in ecs.tasks_of_service(service):
            if ecs.is_running(task):
                yield task["taskArn"], (service, task)


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except OSError:
            continue  # PostgreSQL removes files at any time
    return total


def _record_load_balancers(at: float) -> None:
    counted = answers.take()
    for arn in list(alb._lbs):
        name = {"LoadBalancer": arn.partition("loadbalancer/")[2]}
        seen = counted.get(arn, answers.Answers())
        if seen.requests:
            clock.record("AWS/ApplicationELB", "RequestCount", seen.requests, name, at)
        if seen.own_errors:
            clock.record("AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", seen.own_errors, name, at)
        for group_arn in _groups_of(arn):
            both = {**name, "TargetGroup": group_arn.rpartition(":")[2]}
            if seen.target_errors:
                clock.record(
                    "AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", seen.target_errors, both, at
                )
            for seconds in seen.seconds:
                clock.record(
                    "AWS/ApplicationELB", "TargetResponseTime", seconds, both, at, "Seconds"
                )
            states = [
                target_health.state_of(group_arn, target)
                for target in list(alb._targets.get(group_arn, []))
            ]
            for metric, state in (
                ("HealthyHostCount", "healthy"),
                ("UnHealthyHostCount", "unhealthy"),
            ):
                clock.record("AWS/ApplicationELB", metric, states.count(state), both, at)


def _groups_of(balancer_arn: str) -> set[str]:
    """The target groups to which listeners of a load balancer forward."""
    found: set[str] = set()
    for listener in list(alb._listeners.values()):
        if listener["LoadBalancerArn"] != balancer_arn:
            continue
        for action in listener.get("DefaultActions") or []:
            found |= set(_groups_in(action))
    return found


def _groups_in(action: Mapping[str, Any]) -> Iterator[str]:
    if action.get("TargetGroupArn"):
        yield str(action["TargetGroupArn"])
    for group in (action.get("ForwardConfig") or {}).get("TargetGroups") or []:
        yield str(group["TargetGroupArn"])
