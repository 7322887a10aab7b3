"""The user's files that only CodeBuild can use: Debian packages and a Dockerfile."""

from pathlib import Path

from build_image.codebuild import debian_packages
from build_image.errors import ImageBuildError

WORD = "codebuild"
PACKAGES = "packages.txt"
DOCKERFILE = "Dockerfile"
SHOWN_DOCKERFILE = f"images/airflow/user/{DOCKERFILE}"


def check_without_codebuild(user: Path) -> None:
    """Refuse what the function cannot do: it has no container in which a program could run.

    Args:
        user: the source's copy of images/airflow/user, which need not exist.

    Raises:
        ImageBuildError: a file needs CodeBuild; the message names the word of Options.
    """
    problems = []
    if debian_packages.read(user / PACKAGES):
        problems.append(f"{debian_packages.FILE} names Debian packages, which")
    if (user / DOCKERFILE).exists():
        problems.append(f"{SHOWN_DOCKERFILE} is a Dockerfile of your own, which")
    if problems:
        raise ImageBuildError(
            " ".join(
                f"{problem} only CodeBuild can build: add the word {WORD} to Options, or remove "
                "the file."
                for problem in problems
            )
        )
