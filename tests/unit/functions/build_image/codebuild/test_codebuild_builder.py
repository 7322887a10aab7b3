"""Start a build, wait for it, and answer with the image or with the reason."""

import pytest

from build_image.budget import MAX_CALLS
from build_image.builder import BuiltImage
from build_image.codebuild import archive
from build_image.codebuild.builder import AwaitBuildError
from build_image.codebuild.builds import (
    IN_PROGRESS,
    SUCCEEDED,
    Build,
    NoMoreBuildsError,
    NotNowError,
    ProjectMissingError,
)
from build_image.errors import BaseImageError, ImageBuildError, OutOfTimeError

from ..conftest import BaseRegistry
from .conftest import URI, Yard

RUNNING = Build("project:1", IN_PROGRESS, "BUILD")
ENDED = Build("project:1", SUCCEEDED, "COMPLETED")


def test_image_is_built_from_the_source_by_its_tag(yard: Yard, base_registry: BaseRegistry) -> None:
    tag = archive.tag(yard.source())

    built = yard.builder().build()

    assert built == BuiltImage("sha256:built", tag, {"project:1": 0})
    ((token, variables),) = yard.codebuild.started
    (name,) = yard.store.archives
    base = base_registry.documents
    digest = next(path.rpartition("/")[2] for path in base if "/manifests/sha256" in path)
    assert token == "request-1"
    assert variables == {
        "SOURCE": f"s3://bucket/image-source/{name}",
        "IMAGE": f"{URI}:{tag}",
        "BASE_IMAGE": f"{base_registry.host}/python@{digest}",
    }
    assert not list(yard.work.iterdir())


def test_labels_are_those_that_the_function_gives(yard: Yard) -> None:
    yard.builder().build()

    labels = dict(line.split("=", 1) for line in yard.sent()["labels"].decode().splitlines())
    assert labels["org.opencontainers.image.revision"] == "abc"
    assert labels["org.opencontainers.image.created"] == "2026-01-02T03:04:05Z"
    assert labels["org.opencontainers.image.version"] == "3.3.2"
    assert labels["airflow-on-fargate.build"] == "7"
    assert labels["airflow-on-fargate.python"].startswith("3.")
    assert labels["org.opencontainers.image.base.digest"].startswith("sha256:")


def test_stored_image_starts_no_build(yard: Yard) -> None:
    """So an unchanged tree builds nothing, and neither does a rollback."""
    yard.repository.tags[archive.tag(yard.source())] = "sha256:stored"

    built = yard.builder().build()

    assert (built.digest, built.made) == ("sha256:stored", {})
    assert not yard.codebuild.started
    assert not yard.store.archives


def test_waiting_is_continued_by_another_call(yard: Yard) -> None:
    yard.codebuild.answers = [RUNNING]
    yard.seconds = 100

    with pytest.raises(AwaitBuildError) as raised:
        yard.builder().build()

    assert raised.value.build == "project:1"
    # What is left is enough to call again.
    assert yard.seconds >= 30

    yard.seconds, yard.codebuild.answers = 900, [RUNNING, ENDED]
    built = yard.builder(call=2, running="project:1").build()

    assert built.digest == "sha256:built"
    assert len(yard.codebuild.started) == 1


def test_build_that_never_ends_is_stopped_in_the_last_call(yard: Yard) -> None:
    yard.codebuild.answers = [RUNNING]

    with pytest.raises(OutOfTimeError, match="was stopped"):
        yard.builder(call=MAX_CALLS, running="project:1").build()

    assert yard.codebuild.stopped == ["project:1"]


def test_failed_build_is_explained_by_its_log(yard: Yard) -> None:
    yard.codebuild.answers = [
        RUNNING, Build("project:1", "FAILED", "BUILD", "Error while executing command")
    ]  # fmt: skip
    yard.codebuild.lines = ["E: Unable to locate package nosuch\n"]

    with pytest.raises(ImageBuildError) as raised:
        yard.builder().build()

    assert "failed in the phase BUILD (Error while executing command)" in str(raised.value)
    assert str(raised.value).endswith("E: Unable to locate package nosuch")


def test_failed_build_does_not_count_when_another_one_has_stored_the_image(yard: Yard) -> None:
    """The same build, started twice: the second push meets a tag that cannot be overwritten."""
    yard.codebuild.answers = [Build("project:1", "FAILED", "BUILD")]
    builder = yard.builder()
    find = yard.codebuild.find

    def pushed_meanwhile(build: str) -> Build | None:
        yard.codebuild.push()
        return find(build)

    builder.builds.find = pushed_meanwhile  # type: ignore[method-assign]

    assert builder.build().digest == "sha256:built"


def test_success_without_an_image_is_a_failure(yard: Yard) -> None:
    yard.codebuild.pushes = False

    with pytest.raises(ImageBuildError, match="the repository has no image"):
        yard.builder().build()


def test_throttled_questions_are_asked_again(yard: Yard) -> None:
    yard.codebuild.answers = [NotNowError("Throttling"), NotNowError("Throttling"), ENDED]

    assert yard.builder().build().digest == "sha256:built"
    assert yard.codebuild.asked == 3


def test_build_that_was_deleted_is_named(yard: Yard) -> None:
    yard.codebuild.answers = [None]

    with pytest.raises(ImageBuildError, match="was deleted while it ran"):
        yard.builder().build()


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (ProjectMissingError("Could not start a build: gone"), "remove the word codebuild"),
        (NoMoreBuildsError("Could not start a build: 0 builds"), "Service Quotas"),
    ],
)
def test_build_that_cannot_be_started_says_what_to_do(
    yard: Yard, error: Exception, advice: str
) -> None:
    yard.codebuild.start_error = error

    with pytest.raises(ImageBuildError, match=advice) as raised:
        yard.builder().build()

    assert str(raised.value).startswith("Could not start a build: ")


def test_source_that_cannot_work_costs_no_build(yard: Yard) -> None:
    yard.write("user/plugins/own.py", "def\n")

    with pytest.raises(ImageBuildError, match=r"plugins/own\.py cannot be imported"):
        yard.builder().build()

    assert not yard.codebuild.started


def test_base_image_that_is_gone_costs_no_build(yard: Yard, base_registry: BaseRegistry) -> None:
    base_registry.documents.clear()

    with pytest.raises(BaseImageError, match="does not exist or is not public"):
        yard.builder().build()

    assert not yard.codebuild.started


def test_wrong_list_of_packages_costs_no_build(yard: Yard) -> None:
    yard.write("user/packages.txt", "--force\n")

    with pytest.raises(ImageBuildError, match=r"packages\.txt, line 1"):
        yard.builder().build()

    assert not yard.codebuild.started
