"""Find plugins that Airflow could not import, by reading them.

Only imports that certainly run are counted, the statements at the top of a file: an import in a
function, under a condition or in a `try` may be meant to fail. They are looked up among the files
of the image, so a module that does not exist is found, and a name that a module lacks is not.

Airflow loads every Python file under the plugins folder by itself, as a module that has the name of
the file alone (`_load_plugins_from_plugin_directory`), but for those that .airflowignore names.
"""

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from build_image.checks.modules import Modules
from build_image.source import files_of
from shared.ignore_files import ignored, is_ignore_file

_PROVIDERS = "airflow.providers."
_REQUIREMENTS = "images/airflow/user/requirements.txt"


def import_problems(folder: Path, shown: str, modules: Modules) -> list[str]:
    """A sentence for each import that fails, and for each file that replaces another module.

    Args:
        folder: the plugins.
        shown: the name of the folder, as the user knows it.
        modules: what the image has.
    """
    files = files_of(folder)
    ignore_files = {
        name: (folder / name).read_text(errors="replace") for name in files if is_ignore_file(name)
    }
    unread = ignored(files, ignore_files)
    own = Modules()
    own.add_folder(folder)
    problems = []
    for name in files:
        if not name.endswith(".py") or name in unread:
            continue
        if _replaces(name, modules):
            problems.append(
                f"{shown}/{name} would replace the module {PurePosixPath(name).stem}: Airflow "
                "loads each file of this folder under its bare name. Rename the file, or list it "
                f"in {shown}/.airflowignore if it contains no plugin."
            )
        tree = ast.parse((folder / name).read_bytes())
        for line, text in _failures(name, tree, (own, modules)):
            problems.append(f"{shown}/{name}, line {line}, cannot be imported: {text}")
    return problems


def _replaces(name: str, modules: Modules) -> bool:
    stem = PurePosixPath(name).stem
    return stem != "__init__" and (stem in sys.stdlib_module_names or not modules.missing(stem))


def _failures(
    name: str, tree: ast.Module, places: tuple[Modules, Modules]
) -> Iterator[tuple[int, str]]:
    has_plugin = any(_is_plugin(statement) for statement in tree.body)
    for statement in tree.body:
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                yield from _missing(statement.lineno, alias.name, places)
        elif isinstance(statement, ast.ImportFrom):
            module = _absolute(name, statement)
            if statement.level and has_plugin:
                yield (
                    statement.lineno,
                    "Airflow loads this file outside of its package, so a relative import fails. "
                    f"Write: from {module or 'the package'} import …",
                )
            else:
                yield from _missing(statement.lineno, module, places)


def _is_plugin(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ClassDef) and any(
        getattr(base, "attr", getattr(base, "id", "")) == "AirflowPlugin"
        for base in statement.bases
    )


def _absolute(name: str, statement: ast.ImportFrom) -> str:
    module = statement.module or ""
    if not statement.level:
        return module
    folders = PurePosixPath(name).parts[: -statement.level]
    return ".".join([*folders, *([module] if module else [])])


def _missing(line: int, module: str, places: Iterable[Modules]) -> Iterator[tuple[int, str]]:
    if not module or module.partition(".")[0] in sys.stdlib_module_names:
        return
    missing = [place.missing(module) for place in places]
    if all(missing):
        name = max(missing, key=len)
        yield line, f"the image has no module {name}. {_advice(name)}"


def _advice(name: str) -> str:
    if name.startswith(_PROVIDERS):
        distribution = name.removeprefix(_PROVIDERS).replace(".", "-").replace("_", "-")
        return f"Add apache-airflow-providers-{distribution} to {_REQUIREMENTS}, or correct it."
    if "." in name:
        return f"The version of {name.partition('.')[0]} in the image does not have it: correct it."
    return f"Add the package that has it to {_REQUIREMENTS}, or correct the name."
