"""One mutant: what is changed, what that would break, and the tests that should notice first."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

TEMPLATE_TESTS = ("tests/templates", "--ignore=tests/templates/test_lint.py")
LINT_TESTS = ("tests/templates/test_lint.py",)


class MutantError(Exception):
    """The mutant does not fit the tree any more; says what to correct in its entry."""


@dataclass(frozen=True)
class Mutant:
    """A text of a file and what replaces it.

    Args:
        name: a short name, unique among all mutants.
        path: the file, from the root of the repository.
        text: what is replaced. It occurs exactly once in the file.
        replacement: what replaces it.
        breaks: what goes wrong on AWS or for a user.
        tests: arguments of pytest for each further run, after the usual ones of the file.
        survives: why no test of this repository can notice it; empty when one has to.
    """

    name: str
    path: str
    text: str
    replacement: str
    breaks: str
    tests: Sequence[tuple[str, ...]] = field(default=())
    survives: str = ""

    def apply(self, root: Path) -> None:
        """Plant the fault in a tree."""
        file = root / self.path
        content = file.read_text()
        if content.count(self.text) != 1:
            raise MutantError(
                f"{self.name}: {self.path} has its text {content.count(self.text)} times, not once"
            )
        file.write_text(content.replace(self.text, self.replacement))

    def runs(self) -> list[tuple[str, tuple[str, ...]]]:
        """The runs of pytest, the cheapest first: the environment and pytest's arguments."""
        path = PurePosixPath(self.path)
        # The linters take longer than any of the tests, and see the least.
        last = [LINT_TESTS] if path.suffix == ".yaml" else []
        return [*_usual_runs(path), *(run_of(*each) for each in (*self.tests, *last))]


def run_of(*arguments: str) -> tuple[str, tuple[str, ...]]:
    """The run of pytest with these arguments, in the environment that its tests need."""
    in_image = arguments[0].startswith(("tests/unit/image", "tests/integration/image"))
    return "airflow" if in_image else "tools", arguments


def _usual_runs(path: PurePosixPath) -> list[tuple[str, tuple[str, ...]]]:
    """The tests of a file's own area."""
    if path.suffix == ".yaml":
        return [run_of(*TEMPLATE_TESTS)]
    if path.parts[0] == "functions":
        return [run_of(f"tests/unit/functions/{path.parts[1]}")]
    if path.parts[0] == "bench":
        return [run_of("tests/unit/bench")]
    if path.parts[0] == "checks":
        # One area takes minutes: each fault names its module.
        return []
    if path.name == "Dockerfile":
        return [run_of("tests/unit/local/test_dockerfile.py")]
    package = path.relative_to("images/airflow/src/airflow_on_fargate").parts[0]
    name = package.removesuffix(".py")
    test = f"test_{name}.py" if package.endswith(".py") else name
    return [run_of(f"tests/unit/image/{test}")]
