"""Faults in the way to the image by CodeBuild."""

from tests.mutation.mutant import Mutant

_FOLDER = "functions/build_image/codebuild"

FAULTS = (
    Mutant(
        "tag-without-the-dockerfile",
        f"{_FOLDER}/archive.py",
        'parts = [_read(source.folder / "Dockerfile"), "\\n".join(packages).encode()]',
        'parts = ["\\n".join(packages).encode()]',
        "a changed Dockerfile is deployed, and the former image keeps running",
    ),
    Mutant(
        "failed-build-that-counts-although-the-image-is-there",
        f"{_FOLDER}/builder.py",
        """        if stored is not None:
            # CodeBuild does not say how much it uploaded.""",
        """        if stored is not None and build.status == SUCCEEDED:
            # CodeBuild does not say how much it uploaded.""",
        "a build that was started twice fails the deployment although its image is stored",
    ),
    Mutant(
        "build-started-again-by-each-call",
        f"{_FOLDER}/builder.py",
        "build = self._running() or self._start(tag)",
        "build = self._start(tag)",
        "a build that takes longer than a call is started again, and paid again",
    ),
    Mutant(
        "secrets-of-the-log-in-the-reason",
        f"{_FOLDER}/failure.py",
        "    for pattern, replacement in _SECRETS:",
        "    for pattern, replacement in ():",
        "the password of a package index is in the events of the stack",
    ),
    Mutant(
        "package-name-that-removes",
        "functions/build_image/checks/debian_packages.py",
        '_NAME = r"[a-z0-9][a-z0-9+.-]*[a-z0-9+]"',
        '_NAME = r"[a-z0-9][a-z0-9+.-]*"',
        "a line of packages.txt removes a package of the base image",
    ),
    Mutant(
        "debian-packages-ignored",
        "functions/build_image/handler.py",
        "            check_without_codebuild(source.user)",
        "            pass",
        "without the word the packages are left out silently where the image is stored already",
    ),
    Mutant(
        "push-before-the-check",
        f"{_FOLDER}/build.sh",
        '    [ "$found" = "$expected" ] || fail',
        '    [ "$found" = "$expected" ] || echo',
        "an image that runs as root, or starts something else, is used by every task",
    ),
    Mutant(
        "build-on-the-other-processor",
        "nested/codebuild.yaml",
        "Type: !If [IsX86, LINUX_CONTAINER, ARM_CONTAINER]",
        "Type: LINUX_CONTAINER",
        "CodeBuild refuses the project, or builds an image that no task can run",
    ),
    Mutant(
        "word-without-a-request",
        "nested/image.yaml",
        "CodeBuildProject: !If [HasCodeBuild, !GetAtt CodeBuildStack.Outputs.ProjectName, '']",
        "CodeBuildProject: ''",
        "the word changes nothing: the function builds as before",
    ),
)
