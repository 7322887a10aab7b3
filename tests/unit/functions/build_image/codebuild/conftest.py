"""A source with a real base image, and CodeBuild in memory."""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from image_parts import Wheels

from build_image.budget import Budget
from build_image.codebuild.builder import CodeBuildBuilder
from build_image.codebuild.builds import IN_PROGRESS, SUCCEEDED, Build
from build_image.registry import OciRegistry
from build_image.source import Source

from ..conftest import BaseRegistry, ImageRepository

URI = "111122223333.dkr.ecr.us-east-1.amazonaws.com/airflow"


@dataclass
class InMemoryCodeBuild:
    """Builds that end as a test says, after as many questions as it says."""

    repository: ImageRepository
    # What `find` returns, one after the other; the last one stays. An error is raised.
    answers: list[Build | Exception | None] = field(default_factory=list)
    lines: Sequence[str] = ()
    start_error: Exception | None = None
    # Whether a build that succeeds pushes an image.
    pushes: bool = True
    started: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    asked: int = 0

    def start(self, token: str, variables: Mapping[str, str]) -> Build:
        if self.start_error:
            raise self.start_error
        self.started.append((token, dict(variables)))
        return Build("project:1", IN_PROGRESS, "SUBMITTED")

    def find(self, build: str) -> Build | None:
        assert build == "project:1"
        self.asked += 1
        answers = self.answers or [Build(build, SUCCEEDED, "COMPLETED")]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        if answer and answer.status == SUCCEEDED and self.pushes:
            self.push()
        return answer

    def push(self) -> None:
        tag = self.started[-1][1]["IMAGE"].rpartition(":")[2]
        self.repository.tags[tag] = "sha256:built"

    def stop(self, build: str) -> None:
        self.stopped.append(build)

    def log_tail(self, build: Build) -> Sequence[str]:
        return self.lines


@dataclass
class InMemoryStore:
    archives: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def put(self, archive: Path, name: str) -> str:
        with zipfile.ZipFile(archive) as content:
            self.archives[name] = {one: content.read(one) for one in content.namelist()}
        return f"s3://bucket/image-source/{name}"


@dataclass
class Yard:
    """A source that a test changes, and builders for it."""

    folder: Path
    repository: ImageRepository
    codebuild: InMemoryCodeBuild
    store: InMemoryStore
    work: Path
    seconds: float = 900
    slept: list[float] = field(default_factory=list)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def source(self) -> Source:
        return Source(self.folder, "x86_64")

    def builder(self, call: int = 1, running: str = "") -> CodeBuildBuilder:
        def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            self.seconds -= seconds

        return CodeBuildBuilder(
            source=self.source(),
            repository=self.repository,
            base_images=OciRegistry(sleep=lambda _: None),
            builds=self.codebuild,
            store=self.store,
            repository_uri=URI,
            folder=self.work,
            budget=Budget(lambda: self.seconds, call),
            token="request-1",
            running=running,
            sleep=sleep,
        )

    def sent(self) -> dict[str, bytes]:
        """The files that CodeBuild was given."""
        (archive,) = self.store.archives.values()
        return archive


@pytest.fixture
def yard(tmp_path: Path, wheels: Wheels, base_registry: BaseRegistry, base_layer: bytes) -> Yard:
    base_registry.add("python", "slim", base_layer)
    repository = ImageRepository()
    made = Yard(
        tmp_path / "source",
        repository,
        InMemoryCodeBuild(repository),
        InMemoryStore(),
        tmp_path / "work",
    )
    made.write("Dockerfile", f"ARG PYTHON_IMAGE={base_registry.host}/python:slim\n")
    lock = wheels.add("apache_airflow", "3.3.2").replace("apache_airflow==", "apache-airflow==")
    made.write("requirements.lock", lock)
    made.write("uv.lock", "uv==1\n")
    made.write("src/airflow_on_fargate/__init__.py", "")
    made.write(
        "labels.json",
        '{"revision": "abc", "created": "2026-01-02T03:04:05Z", "build": "7"}',
    )
    return made
