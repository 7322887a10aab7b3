"""make image: which engine, which base, when nothing is built; and what podman's runtime needs."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from commands import airflow_image, emulator
from commands.container_image import base, build, engines
from commands.container_image.engines import DOCKER, PODMAN, Engine
from commands.steps import Steps
from commands.workspace import ROOT, CommandError, Workspace

OFFICIAL = base.official()
DIGEST = f"sha256:{'d' * 64}"


class Machine:
    """Calls of docker, podman, apt-get and debootstrap, answered by a table."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        self.fails: set[str] = set()
        self.images: set[str] = set()
        self.repo_digests = ""
        monkeypatch.setattr(engines.shutil, "which", lambda name: f"/usr/bin/{name}")
        monkeypatch.setattr(engines.subprocess, "run", self._run)
        monkeypatch.delenv("RUNTIME", raising=False)

    def _run(self, command: list[Any], **_: Any) -> subprocess.CompletedProcess[str]:
        words = [str(word) for word in command]
        line = " ".join(words)
        self.calls.append(line)
        failed = any(text in line for text in self.fails)
        output = ""
        if words[1:3] == ["image", "inspect"]:
            failed = words[-1] not in self.images
            output = "2097152" if "{{.Size}}" in line else "amd64|3.1|abc|the-base"
            if "RepoDigests" in line:
                output = self.repo_digests
        if words[1] == "pull" and not failed:
            self.images.add(words[-1])
        if words[1] == "build" and not failed:
            self.images.add(words[words.index("--tag") + 1])
        return subprocess.CompletedProcess(words, int(failed), output, "no such host\n")

    def called(self, text: str) -> list[str]:
        return [call for call in self.calls if text in call]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path, 1, 2, 3, 4)


def as_user(monkeypatch: pytest.MonkeyPatch, user: int, system: str = "debian") -> None:
    monkeypatch.setattr(base.os, "geteuid", lambda: user)
    monkeypatch.setattr(base.platform, "freedesktop_os_release", lambda: {"ID": system})


def test_docker_is_used_before_podman(machine: Machine):
    assert engines.choose() == DOCKER


def test_podman_is_used_when_the_docker_daemon_does_not_answer(machine: Machine):
    machine.fails.add("docker info")
    assert engines.choose() == PODMAN


def test_a_sentence_says_what_to_install_when_no_engine_works(machine: Machine):
    machine.fails.add("info")
    with pytest.raises(CommandError, match=r"Neither docker nor podman works .*apt-get install"):
        engines.choose()


def test_image_is_built_from_the_official_base_with_labels(machine, workspace, capsys):
    name = build.build(workspace, Steps(), PODMAN)
    (command,) = machine.called("podman build")
    assert f"--build-arg PYTHON_IMAGE={OFFICIAL}" in command
    assert "--label org.opencontainers.image.revision=" in command
    assert "--label org.opencontainers.image.version=" in command
    assert f"--tag {name}" in command
    assert "/etc/ssl/certs" not in command
    assert "2 MiB, amd64" in capsys.readouterr().out


def test_image_has_the_digest_of_its_base_as_a_label(machine, workspace):
    machine.images.add(OFFICIAL)
    machine.repo_digests = f"public.ecr.aws/docker/library/python@{DIGEST}"
    build.build(workspace, Steps(), PODMAN)
    (command,) = machine.called("podman build")
    assert f"--label org.opencontainers.image.base.digest={DIGEST}" in command


def test_the_same_content_builds_nothing(machine, workspace, capsys):
    first = build.build(workspace, Steps(), PODMAN)
    assert build.build(workspace, Steps(), PODMAN) == first
    assert len(machine.called("podman build")) == 1
    assert "already built" in capsys.readouterr().out


@pytest.mark.parametrize(
    "changed", ["Dockerfile", "requirements.lock", "src/new.py", "user/plugins/new.py"]
)
def test_other_content_is_another_image(monkeypatch, tmp_path, changed):
    folder = tmp_path / "images" / "airflow"
    (folder / "src").mkdir(parents=True)
    (folder / "user" / "plugins").mkdir(parents=True)
    (tmp_path / "functions" / "contracts").mkdir(parents=True)
    for name in ("Dockerfile", "requirements.lock"):
        (folder / name).write_text("before")
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "DOCKERFILE", folder / "Dockerfile")
    before = build.content_tag()
    assert build.content_tag() == before
    (folder / changed).write_text("after")
    assert build.content_tag() != before


def test_a_stand_in_is_made_when_the_registry_cannot_be_reached(
    machine, workspace, monkeypatch, capsys
):
    as_user(monkeypatch, 0)
    machine.fails.add("pull")
    made: list[Engine] = []
    monkeypatch.setattr(base, "_bootstrap", made.append)
    build.build(workspace, Steps(), PODMAN)
    assert made == [PODMAN]
    (command,) = machine.called("podman build")
    assert f"PYTHON_IMAGE={base.STAND_IN}" in command
    assert "base.digest" not in command
    output = capsys.readouterr().out
    assert f"{OFFICIAL} cannot be fetched: no such host" in output
    assert "a stand-in from" in output


@pytest.mark.parametrize(("user", "system"), [(1000, "debian"), (0, "fedora")])
def test_no_stand_in_is_made_when_it_is_not_root_on_debian(
    machine, workspace, monkeypatch, user, system
):
    as_user(monkeypatch, user, system)
    machine.fails.add("pull")
    with pytest.raises(CommandError, match="only be made by root on Debian"):
        build.build(workspace, Steps(), PODMAN)


def test_the_end_of_a_failed_build_is_shown(machine, workspace):
    machine.fails.add("build")
    with pytest.raises(CommandError, match=r"podman build failed .complete output in "):
        build.build(workspace, Steps(), PODMAN)


def test_the_dockerfile_names_the_base_that_is_fetched():
    name = base.official().partition("@")[0]
    assert name == "public.ecr.aws/docker/library/python:3.13-slim-bookworm"


class TestRuntime:
    def test_processes_are_the_default(self, machine, workspace):
        assert emulator.runtime(workspace) == "processes"

    def test_an_unknown_runtime_is_refused(self, machine, workspace, monkeypatch):
        monkeypatch.setenv("RUNTIME", "docker")
        with pytest.raises(CommandError, match="RUNTIME is 'docker'"):
            emulator.runtime(workspace)

    def test_the_running_stack_decides(self, machine, workspace, monkeypatch):
        monkeypatch.setattr(emulator, "running_ports", lambda _: {"LOCAL_AWS_PORT": 1})
        workspace.emulator_config.write_text(json.dumps({"runtime": "podman"}))
        assert emulator.runtime(workspace) == "podman"
        monkeypatch.setenv("RUNTIME", "processes")
        with pytest.raises(CommandError, match="runs its tasks with RUNTIME=podman"):
            emulator.runtime(workspace)

    def test_root_is_needed(self, machine, monkeypatch):
        as_user(monkeypatch, 1000)
        with pytest.raises(CommandError, match="needs Linux and root"):
            build.check_runtime()

    def test_the_registry_gets_the_built_image(
        self, machine: Machine, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("RUNTIME", "podman")
        airflow_image.push(workspace)
        (entry,) = (workspace.state_dir / "registry").glob("*.json")
        pushed = json.loads(entry.read_text())[airflow_image.uri()]
        assert pushed["reference"] == build.name()
        assert pushed["entrypoint"] == []
        assert "PYTHONPATH" not in pushed["env"]
        assert pushed["env"]["AIRFLOW__API__HOST"] == "{task_ip}"

    def test_an_edition_of_another_lock_has_no_image(self, machine, workspace, monkeypatch):
        monkeypatch.setenv("RUNTIME", "podman")
        with pytest.raises(CommandError, match="podman has no image of local/environments"):
            airflow_image.push(workspace, airflow_image.PREVIOUS)


def test_the_sources_of_the_image_are_those_that_docker_sends():
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    sent = {line[1:] for line in ignore if line.startswith("!")}
    assert sent == set(build._SOURCES)
