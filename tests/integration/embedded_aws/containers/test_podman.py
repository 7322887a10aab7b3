"""Tasks in podman: limits, rights, files, health, stop and logs as the task definition says."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import small_image
from podman import needs_podman

from ..conftest import REPOSITORY, EmbeddedAws, eventually, running_embedded_aws
from ..ecs_tasks import Ecs

pytestmark = needs_podman

OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
SECRET = "first line\nsecond 'line' \"quoted\" $HOME"


@contextmanager
def emulator_with_podman(state_dir: Path, **settings: Any) -> Iterator[EmbeddedAws]:
    images = {
        "local/sh:1": {"reference": small_image.build()},
        "local/processes-only:1": {"entrypoint": ["/bin/sh", "-c"]},
    }
    settings = {"images": images, "runtime": "podman", **settings}
    with running_embedded_aws(state_dir, **settings) as running:
        yield running


@pytest.fixture(scope="module")
def podman_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    with emulator_with_podman(tmp_path_factory.mktemp("podman")) as running:
        yield running


@pytest.fixture
def ecs(podman_aws: EmbeddedAws) -> Iterator[Ecs]:
    cluster = Ecs(podman_aws)
    yield cluster
    cluster.close()


def register(ecs: Ecs, *containers: dict[str, Any], **definition: Any) -> str:
    """A task definition of several containers, which log to the test's group."""
    options = {
        "awslogs-group": ecs.name,
        "awslogs-region": "us-east-1",
        "awslogs-stream-prefix": "part",
    }
    log = {"logDriver": "awslogs", "options": options}
    answer = ecs.api.register_task_definition(
        **{
            "family": ecs.name,
            "executionRoleArn": ecs.execution_role,
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "cpu": "256",
            "memory": "512",
            **definition,
        },
        containerDefinitions=[
            {"name": "main", "image": "local/sh:1", "logConfiguration": log, **container}
            for container in containers
        ],
    )
    arn: str = answer["taskDefinition"]["taskDefinitionArn"]
    return arn


def containers_left(state_dir: Path) -> list[str]:
    mark = f"label=EMBEDDED_AWS_STATE_DIR={state_dir}"
    done = subprocess.run(
        ["podman", "ps", "--all", "--quiet", "--filter", mark], capture_output=True, text=True
    )
    return done.stdout.split()


def processes_of(state_dir: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("EMBEDDED_AWS_STATE_DIR") == str(state_dir):
                found.append(process)
        except psutil.Error:
            continue
    return found


class TestRights:
    def test_container_runs_as_the_image_s_user(self, ecs: Ecs) -> None:
        task = ecs.finished(ecs.register("id -u; id -g"))
        assert ecs.output(task) == ["50000", "50000"]

    def test_task_definition_replaces_the_user(self, ecs: Ecs) -> None:
        task = ecs.finished(ecs.register("id -u", user="1234:1234"))
        assert ecs.output(task) == ["1234"]

    def test_root_file_system_is_read_only(self, ecs: Ecs) -> None:
        script = "for d in / /tmp /run /var/tmp; do touch $d/file && echo $d; done; exit 0"
        task = ecs.finished(ecs.register(script, user="0", readonlyRootFilesystem=True))
        assert not [line for line in ecs.output(task) if line.startswith("/")]
        task = ecs.finished(ecs.register(script, user="0"))
        assert "/tmp" in ecs.output(task)

    def test_capabilities_are_dropped(self, ecs: Ecs) -> None:
        script = "while read name value; do [ $name = CapBnd: ] && echo $value; done; exit 0"
        script = f"({script}) < /proc/self/status"
        bounds = []
        for drop in ([], ["ALL"]):
            linux = {"capabilities": {"drop": drop}}
            task = ecs.finished(ecs.register(script, user="0", linuxParameters=linux))
            bounds.append(int(ecs.output(task)[0], 16))
        assert bounds[0] != 0
        assert bounds[1] == 0

    def test_ulimits_and_init_process_are_set(self, ecs: Ecs) -> None:
        task = ecs.finished(
            ecs.register(
                "ulimit -Sn; ulimit -Hn; cat /proc/1/comm",
                ulimits=[{"name": "nofile", "softLimit": 123, "hardLimit": 456}],
                linuxParameters={"initProcessEnabled": True},
            )
        )
        soft, hard, first = ecs.output(task)
        assert (soft, hard) == ("123", "456")
        assert first != "sh"

    def test_container_sees_no_files_of_this_machine(self, ecs: Ecs) -> None:
        task = ecs.finished(ecs.register(f"test -e {REPOSITORY} || echo absent; ls /"))
        answer, *folders = ecs.output(task)
        assert answer == "absent"
        assert not {"home", "opt", "root", "usr", "var"} & set(folders) - {"usr"}


class TestVolumes:
    def test_volume_is_shared_by_the_containers_and_writable_on_a_read_only_root(
        self, ecs: Ecs
    ) -> None:
        mount = [{"sourceVolume": "scratch", "containerPath": small_image.VOLUME}]
        write = f"echo hello > {small_image.VOLUME}/word; sleep 20"
        read = f"while ! test -s {small_image.VOLUME}/word; do sleep 0.1; done; cat /scratch/word"
        shared = {"readonlyRootFilesystem": True, "mountPoints": mount}
        definition = register(
            ecs,
            {"name": "writer", "command": [write], "essential": False, "stopTimeout": 2, **shared},
            {"command": [read], **shared},
            volumes=[{"name": "scratch"}],
        )
        task = ecs.finished(definition)
        assert ecs.output(task) == ["hello"]
        # Another task of the same definition starts with an empty volume.
        empty = register(
            ecs,
            {"command": [f"ls {small_image.VOLUME}; echo end"], **shared},
            volumes=[{"name": "scratch"}],
        )
        assert ecs.output(ecs.finished(empty)) == ["end"]

    def test_volume_belongs_to_root_where_the_image_declares_none(self, ecs: Ecs) -> None:
        definition = register(
            ecs,
            {
                "command": ["stat -c '%u %a' /data; touch /data/file 2> /dev/null || echo refused"],
                "mountPoints": [{"sourceVolume": "data", "containerPath": "/data"}],
            },
            volumes=[{"name": "data"}],
        )
        assert ecs.output(ecs.finished(definition)) == ["0 755", "refused"]


class TestLimits:
    def test_memory_of_the_task_is_a_limit(self, ecs: Ecs) -> None:
        task = ecs.finished(ecs.register("exec tail /dev/zero"))
        (container,) = task["containers"]
        assert container["exitCode"] == 137
        assert container["reason"] == OUT_OF_MEMORY
        assert task["stoppedReason"] == "Essential container in task exited"

    def test_memory_of_a_container_is_a_limit_of_its_own(self, ecs: Ecs) -> None:
        definition = register(
            ecs,
            {"name": "eater", "command": ["exec tail /dev/zero"], "memory": 64,
             "essential": False},
            {"command": ["trap 'exit 3' TERM; sleep 60 & wait"]},
        )  # fmt: skip
        arn = ecs.run(definition)

        def eater() -> dict[str, Any]:
            found: dict[str, Any] = ecs.task(arn)["containers"][0]
            return found

        eventually(lambda: eater()["lastStatus"] == "STOPPED")
        assert (eater()["exitCode"], eater()["reason"]) == (137, OUT_OF_MEMORY)
        assert ecs.task(arn)["lastStatus"] == "RUNNING"

    def test_overridden_memory_is_the_limit(self, ecs: Ecs) -> None:
        script = "head -c 700000000 /dev/zero | tail -c 650000000 > /dev/null; echo $?"
        small = ecs.finished(ecs.register(script))
        assert ecs.output(small)[-1] != "0"
        large = ecs.finished(ecs.register(script), overrides={"memory": "1024"})
        assert ecs.output(large)[-1] == "0"

    def test_cpu_of_the_task_is_a_limit(self, ecs: Ecs) -> None:
        count = "i=0; while [ $i -lt 1500000 ]; do i=$((i+1)); done"
        task = ecs.finished(ecs.register(f"date +%s%N; {count}; date +%s%N; times"))
        start, end, own, *_ = ecs.output(task)
        wall = (int(end) - int(start)) / 1e9
        minutes, seconds = own.split()[0].rstrip("s").split("m")
        used = int(minutes) * 60 + float(seconds)
        assert used > 0.3, "too short to measure"
        assert used / wall < 0.35  # a quarter, and what the period's granularity adds


class TestEnd:
    def test_exit_code_is_the_program_s(self, ecs: Ecs) -> None:
        task = ecs.finished(ecs.register("echo last words; exit 7"))
        assert task["containers"][0]["exitCode"] == 7
        assert "reason" not in task["containers"][0]
        assert ecs.output(task) == ["last words"]

    def test_stop_lets_the_program_end(self, ecs: Ecs) -> None:
        arn = ecs.run(ecs.register("trap 'echo ending; exit 5' TERM; echo up; sleep 60 & wait"))
        task = ecs.reached(arn, "RUNNING")
        eventually(lambda: "up" in ecs.output(task))
        ecs.api.stop_task(cluster=ecs.name, task=arn)
        task = ecs.reached(arn, "STOPPED")
        assert task["containers"][0]["exitCode"] == 5
        assert ecs.output(task) == ["up", "ending"]

    def test_stop_kills_after_the_stop_timeout(self, ecs: Ecs) -> None:
        script = "trap '' TERM; echo up; while true; do sleep 1; done"
        arn = ecs.run(ecs.register(script, stopTimeout=3))
        task = ecs.reached(arn, "RUNNING")
        eventually(lambda: "up" in ecs.output(task))
        begun = time.monotonic()
        ecs.api.stop_task(cluster=ecs.name, task=arn)
        task = ecs.reached(arn, "STOPPED")
        assert time.monotonic() - begun >= 3
        assert task["containers"][0]["exitCode"] == 137
        assert "reason" not in task["containers"][0]

    def test_program_that_does_not_exist_fails_the_start(self, ecs: Ecs) -> None:
        task = ecs.finished(ecs.register("", entryPoint=["/no/such/program"]))
        assert task["stopCode"] == "TaskFailedToStart"
        assert "/no/such/program" in task["stoppedReason"]

    def test_image_for_processes_fails_the_start(self, ecs: Ecs) -> None:
        task = ecs.finished(ecs.register("true", image="local/processes-only:1"))
        assert "pushed for local processes" in task["stoppedReason"]

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
    def test_end_of_the_launcher_leaves_no_container(
        self, podman_aws: EmbeddedAws, tmp_path: Path, number: int
    ) -> None:
        with emulator_with_podman(tmp_path, shutdown_timeout_seconds=2) as running:
            ecs = Ecs(running)
            arn = ecs.run(ecs.register("trap '' TERM; while true; do sleep 1; done"))
            ecs.reached(arn, "RUNNING")
            assert containers_left(tmp_path)
            os.kill(running.process.pid, number)
            running.process.wait(60)
        eventually(lambda: not processes_of(tmp_path))
        eventually(lambda: not containers_left(tmp_path))


class TestImagesOfEcr:
    def test_image_is_pulled_from_the_repository_by_its_digest(self, ecs: Ecs) -> None:
        repository = ecs.aws.client("ecr")
        repository.create_repository(repositoryName="pushed")
        address = ecs.aws.endpoint_url.removeprefix("http://")
        subprocess.run(
            ["podman", "push", "--quiet", "--tls-verify=false", "--format", "oci",
             small_image.build(), f"{address}/pushed:1"],
            check=True, capture_output=True,
        )  # fmt: skip
        (stored,) = repository.describe_images(repositoryName="pushed")["imageDetails"]
        name = f"{'0' * 12}.dkr.ecr.us-east-1.amazonaws.com/pushed@{stored['imageDigest']}"

        task = ecs.finished(ecs.register("id -u", name))

        assert task["containers"][0].get("exitCode") == 0, task.get("stoppedReason")
        assert ecs.output(task) == ["50000"]


class TestInside:
    def test_environment_arrives_unchanged_and_is_not_on_a_command_line(self, ecs: Ecs) -> None:
        script = 'echo "$WORD"; echo "$PATH"; echo "$HOME"; sleep 20'
        environment = [{"name": "WORD", "value": SECRET}, {"name": "HOME", "value": "/tmp"}]
        arn = ecs.run(ecs.register(script, environment=environment))
        task = ecs.reached(arn, "RUNNING")
        eventually(lambda: len(ecs.output(task)) >= 4)
        assert ecs.output(task) == [*SECRET.splitlines(), "/bin", "/tmp"]
        lines = [" ".join(p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"])]
        assert not [line for line in lines if "second 'line'" in line]

    def test_health_check_runs_in_the_container(self, ecs: Ecs) -> None:
        check = {
            "command": ["CMD-SHELL", "test -e /tmp/up && ! test -e /tmp/broken"],
            "interval": 5, "timeout": 5, "retries": 1, "startPeriod": 0,
        }  # fmt: skip
        script = "sleep 1; touch /tmp/up; sleep 15; touch /tmp/broken; sleep 60"
        arn = ecs.run(ecs.register(script, healthCheck=check))
        eventually(lambda: ecs.task(arn)["healthStatus"] == "HEALTHY")
        eventually(lambda: ecs.task(arn)["healthStatus"] == "UNHEALTHY", timeout=60)

    def test_health_check_that_hangs_leaves_no_process(self, ecs: Ecs) -> None:
        check = {
            "command": ["CMD-SHELL", "exec sleep 5432"],
            "interval": 5, "timeout": 2, "retries": 1, "startPeriod": 0,
        }  # fmt: skip
        arn = ecs.run(ecs.register("sleep 60", healthCheck=check))
        eventually(lambda: ecs.task(arn)["healthStatus"] == "UNHEALTHY", timeout=60)
        ecs.api.stop_task(cluster=ecs.name, task=arn)
        hanging = "sleep 5432"
        eventually(
            lambda: (
                not [
                    p
                    for p in psutil.process_iter(["cmdline"])
                    if " ".join(p.info["cmdline"] or ()) == hanging
                ]
            )
        )

    def test_tasks_of_a_service_are_replaced(self, ecs: Ecs) -> None:
        ecs.create_service("web", ecs.register("sleep 60", stopTimeout=2), count=2)
        eventually(lambda: ecs.running("web", 2), timeout=60)
        first = ecs.tasks_of("web")[0]["taskArn"]
        ecs.api.stop_task(cluster=ecs.name, task=first)
        eventually(
            lambda: (
                ecs.running("web", 2) and first not in [t["taskArn"] for t in ecs.tasks_of("web")]
            ),
            timeout=60,
        )
