"""The modules of a source folder, and which of them import which: read from the text, not run.

Every import counts, also one for type checkers only and one inside a function: they hide a circle,
they do not remove it.
"""

import ast
import os
from collections.abc import Iterator, Mapping
from pathlib import Path


def import_circles(root: Path) -> list[tuple[str, ...]]:
    """The groups of modules under `root` that import each other, directly or by way of others."""
    graph = import_graph(root)
    reached = {module: _reachable(graph, module) for module in graph}
    groups = {
        tuple(sorted(other for other in reached[module] if module in reached[other]))
        for module in graph
        if module in reached[module]
    }
    return sorted(groups)


def import_graph(root: Path) -> dict[str, set[str]]:
    """Each module under `root` with the modules under `root` that it imports."""
    paths = {_module(root, path): path for path in _python_files(root)}
    return {
        module: {
            imported
            for name in _imported_names(path, module)
            if (imported := _known(name, paths)) and imported != module
        }
        for module, path in paths.items()
    }


def modules_by_package(root: Path) -> dict[str, list[str]]:
    """The names of the modules in each folder under `root`; a package's `__init__` is not one."""
    found: dict[str, list[str]] = {}
    for path in _python_files(root):
        if path.name != "__init__.py":
            folder = path.parent.relative_to(root).as_posix()
            found.setdefault(folder, []).append(path.stem)
    return found


def _python_files(root: Path) -> Iterator[Path]:
    # A package of the image is a link; Path.rglob follows links only from Python 3.13 on.
    for folder, folders, files in os.walk(root, followlinks=True):
        folders[:] = [name for name in folders if name != "__pycache__"]
        yield from (Path(folder, name) for name in files if name.endswith(".py"))


def _module(root: Path, path: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported_names(path: Path, module: str) -> Iterator[str]:
    """What the module imports, as `package.module.name`: the name may be a module or not."""
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _known(name: str, paths: Mapping[str, Path]) -> str | None:
    """The longest beginning of the name that is a module under the root."""
    while name and name not in paths:
        name = name.rpartition(".")[0]
    return name or None


def _reachable(graph: Mapping[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += graph[module]
    return found
