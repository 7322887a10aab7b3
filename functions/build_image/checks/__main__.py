"""The checks of a user's files, for images/airflow/Dockerfile: `python -m build_image.checks USER`.

It runs with the interpreter of the image's packages.
"""

import sys
from pathlib import Path

from build_image.checks import user_folder
from build_image.checks.python_files import syntax_problems


def main(folder: Path) -> None:
    """Exit with a sentence for each problem of the files in the user's folder."""
    problems = [
        *user_folder.problems(folder),
        *syntax_problems(folder / "plugins", user_folder.PLUGINS),
    ]
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
