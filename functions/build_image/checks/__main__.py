"""The checks of a user's files, for images/airflow/Dockerfile.

`python -m build_image.checks USER FOLDER…`: the user's folder, and those with the image's modules.
"""

import sys
from pathlib import Path

from build_image.checks import user_folder
from build_image.checks.imports import import_problems
from build_image.checks.modules import Modules
from build_image.checks.python_files import syntax_problems


def main(folder: Path, module_path: list[Path]) -> None:
    """Exit with a sentence for each problem of the files in the user's folder."""
    plugins = folder / "plugins"
    problems = [
        *user_folder.problems(folder),
        *syntax_problems(plugins, user_folder.PLUGINS),
    ]
    if not problems:
        modules = Modules()
        for one in module_path:
            modules.add_folder(one)
        problems = import_problems(plugins, user_folder.PLUGINS, modules)
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
