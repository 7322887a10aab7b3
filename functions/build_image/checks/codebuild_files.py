"""The user's files that only CodeBuild can use: Debian packages and a Dockerfile."""

from pathlib import Path

from build_image.checks import debian_packages
from build_image.errors import ImageBuildError

WORD = "codebuild"
PACKAGES = "packages.txt"
DOCKERFILE = "Dockerfile"
SHOWN_DOCKERFILE = f"images/airflow/user/{DOCKERFILE}"


def needing_codebuild(user: Path) -> list[str]:
    """A sentence for each file that needs a container in which a program can run.

    Args:
        user: the source's copy of images/airflow/user, which need not exist.

    Raises:
        DebianPackagesError: packages.txt cannot be used anyway.
    """
    found = []
    if debian_packages.read(user / PACKAGES):
        found.append(f"{debian_packages.FILE} names Debian packages, which only CodeBuild installs")
    if (user / DOCKERFILE).exists():
        found.append(f"{SHOWN_DOCKERFILE} is a Dockerfile of your own, which only CodeBuild builds")
    return [
        f"{problem}: add the word {WORD} to Options (docs/codebuild.md), or remove the file."
        for problem in found
    ]


def check_without_codebuild(user: Path) -> None:
    """Refuse these files.

    It comes before the stored images are looked at: their tags do not cover what the function
    cannot put into an image.

    Raises:
        ImageBuildError: there is such a file; the message names the word of Options.
    """
    if problems := needing_codebuild(user):
        raise ImageBuildError(" ".join(problems))
