"""Check Python files before they are in an image.

Plugins are compiled, not imported: an import needs the packages of the image, for its processor,
and would run code of others with the function's role.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from build_image.source import files_of


def syntax_problems(folder: Path, shown: str) -> list[str]:
    """A sentence for each file that Python cannot compile."""
    problems = []
    for name in files_of(folder):
        if not name.endswith(".py"):
            continue
        try:
            compile((folder / name).read_bytes(), name, "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
            text = error.msg if isinstance(error, SyntaxError) else str(error)
            problems.append(f"{shown}/{name} cannot be imported{line}: {text}.")
    return problems


def patch_problems(package: Path, pins: Mapping[str, str]) -> list[str]:
    """A sentence for each patch that is not written for a version of the lock file.

    The Dockerfile applies every patch, for which Airflow must be imported. The builder reads the
    versions that the patches name: `require("apache-airflow", "3.3.2", without=("3.3.1",))`.
    """
    problems = []
    patches = package / "airflow_on_fargate" / "patches"
    for name in files_of(patches):
        if not name.endswith(".py"):
            continue
        for distribution, versions in _requirements((patches / name).read_text()):
            pinned = pins.get(distribution)
            if pinned not in versions:
                problems.append(
                    f"The patch {name} was tested with {distribution} {' and '.join(versions)}, "
                    f"but the lock file has {pinned or 'none'}: lock that version, or check "
                    "whether the new one still needs the patch and name it there."
                )
    return problems


def _requirements(text: str) -> Iterator[tuple[str, list[str]]]:
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        called = function.attr if isinstance(function, ast.Attribute) else ""
        called = function.id if isinstance(function, ast.Name) else called
        if called != "require":
            continue
        without = [word.value for word in node.keywords if word.arg == "without"]
        texts = [
            leaf.value
            for top in (*node.args, *without)
            for leaf in ast.walk(top)
            if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str)
        ]
        if len(texts) > 1:
            yield texts[0], texts[1:]
