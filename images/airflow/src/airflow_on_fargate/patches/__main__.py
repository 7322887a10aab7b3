"""The check at the image's build: `python -m airflow_on_fargate.patches` applies every patch.

Exits with 1 and a sentence for each patch that does not fit the installed versions.
"""

import sys

from airflow_on_fargate import patches


def main() -> int:
    """The exit code."""
    problems = []
    for name in sorted({name for names in patches.BY_COMPONENT.values() for name in names}):
        try:
            patches.apply(name)
        except patches.PatchError as error:
            problems.append(str(error))
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
