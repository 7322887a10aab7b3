"""Let CodeBuild build the image, unless it is stored, and wait for it.

CodeBuild gets the same source as the function has, and pushes to the same repository under a tag
that is a digest of the content. What the build says about its success does not count: the image
counts that the repository has afterwards. So a build that was started twice, or that outlived the
deployment that started it, harms nothing.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from build_image.budget import MAX_CALLS, Budget, ContinueError
from build_image.builder import BuiltImage
from build_image.checks import user_folder
from build_image.checks.codebuild_files import WORD
from build_image.checks.python_files import patch_problems, syntax_problems
from build_image.codebuild import archive
from build_image.codebuild.builds import (
    IN_PROGRESS,
    SUCCEEDED,
    Build,
    Builds,
    NoMoreBuildsError,
    NotNowError,
    ProjectMissingError,
    SourceStore,
)
from build_image.codebuild.failure import reason
from build_image.errors import ImageBuildError, OutOfTimeError
from build_image.model import BaseImage, Part
from build_image.ports import BaseImages, ImageRepository
from build_image.registry import Reference
from build_image.source import Source

logger = logging.getLogger(__name__)

_POLL_SECONDS = 5.0
_UNKNOWN_PYTHON = "unknown"


class AwaitBuildError(ContinueError):
    """The build has not ended in this call; another call goes on waiting for it."""

    def __init__(self, build: str) -> None:
        self.build = build
        super().__init__(f"the build {build}")


@dataclass
class CodeBuildBuilder:
    source: Source
    repository: ImageRepository
    base_images: BaseImages
    builds: Builds
    store: SourceStore
    # The repository's address.
    repository_uri: str
    folder: Path
    budget: Budget
    # The same for each attempt to fulfil one request.
    token: str
    # The build that an earlier call for the same request has started.
    running: str = ""
    sleep: Callable[[float], None] = time.sleep
    # Layers that are known by their keys: none, CodeBuild makes all of them.
    parts: Mapping[str, Part] = field(default_factory=dict)

    def build(self) -> BuiltImage:
        """The image of the source: the stored one with its tag, or a new one.

        Raises:
            ImageBuildError: says what is wrong, and what to do.
            AwaitBuildError: another call has to go on waiting.
        """
        tag = archive.tag(self.source)
        stored = self.repository.digest_of(tag)
        if stored is not None:
            return BuiltImage(stored, tag)
        build = self._running() or self._start(tag)
        build = self._awaited(build)
        stored = self.repository.digest_of(tag)
        if stored is not None:
            # CodeBuild does not say how much it uploaded.
            return BuiltImage(stored, tag, {build.id: 0})
        if build.status == SUCCEEDED:
            raise ImageBuildError(
                f"The build {build.id} in CodeBuild succeeded, but the repository has no image "
                f"{tag}: deploy again."
            )
        raise ImageBuildError(reason(build, self.builds.log_tail(build)))

    def _running(self) -> Build | None:
        return Build(self.running, IN_PROGRESS) if self.running else None

    def _start(self, tag: str) -> Build:
        self._check_source()
        base = self.base_images.find(self.source.base_image, self.source.architecture)
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "source.zip"
        try:
            digest = archive.write(file, self.source, self._labels(base))
            address = self.store.put(file, f"{digest}.zip")
        finally:
            file.unlink(missing_ok=True)
        variables = {
            "SOURCE": address,
            "IMAGE": f"{self.repository_uri}:{tag}",
            "BASE_IMAGE": _by_digest(self.source.base_image, base),
        }
        try:
            build = self.builds.start(self.token, variables)
        except ProjectMissingError as error:
            raise ImageBuildError(
                f"{error}. The project belongs to the stack and was deleted by other means: remove "
                f"the word {WORD} from Options, deploy, and add it again."
            ) from error
        except NoMoreBuildsError as error:
            raise ImageBuildError(
                f"{error}. Deploy again when other builds have ended. A new account may have a "
                "quota of 0: look at CodeBuild in Service Quotas, or remove the word "
                f"{WORD} from Options."
            ) from error
        logger.info("CodeBuild builds the image: %s", build.id)
        return build

    def _awaited(self, build: Build) -> Build:
        """The build when it has ended."""
        while build.status == IN_PROGRESS:
            if self.budget.remaining_seconds() - self.budget.reserve_seconds <= _POLL_SECONDS:
                if self.budget.call < MAX_CALLS:
                    raise AwaitBuildError(build.id)
                self.builds.stop(build.id)
                raise OutOfTimeError(
                    f"The build {build.id} in CodeBuild had not ended in the last of {MAX_CALLS} "
                    "calls of the function, and was stopped. The former image stays. Deploy again."
                )
            self.sleep(_POLL_SECONDS)
            try:
                found = self.builds.find(build.id)
            except NotNowError as error:
                logger.warning("The state of the build is not known: %s", error)
                continue
            if found is None:
                raise ImageBuildError(
                    f"The build {build.id} in CodeBuild was deleted while it ran. The former image "
                    "stays. Deploy again."
                )
            build = found
        return build

    def _labels(self, base: BaseImage) -> dict[str, str]:
        """The labels that the function gives to its image."""
        version = base.environment().get("PYTHON_VERSION", _UNKNOWN_PYTHON)
        return {
            **self.source.labels(),
            "org.opencontainers.image.base.digest": base.digest,
            "airflow-on-fargate.python": version,
        }

    def _check_source(self) -> None:
        """Refuse what cannot work before a build is paid for."""
        problems = [
            *patch_problems(self.source.package, self.source.pins()),
            *syntax_problems(self.source.package, "images/airflow/src"),
            *user_folder.problems(self.source.user, by_codebuild=True),
            *syntax_problems(self.source.plugins, user_folder.PLUGINS),
        ]
        if problems:
            raise ImageBuildError(" ".join(problems))


def _by_digest(reference: str, base: BaseImage) -> str:
    """The base image that was found, whatever its tag means when the build starts."""
    where = Reference.parse(reference)
    return f"{where.host}/{where.path}@{base.digest}"
