"""The rules of the folder that the image links to."""

import ast
import sys
from pathlib import Path

import contracts

FOLDER = Path(contracts.__file__).parent


def test_contracts_import_only_the_standard_library_and_each_other():
    for path in sorted(FOLDER.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            else:
                continue
            packages = {name.partition(".")[0] for name in names}
            assert packages <= sys.stdlib_module_names, f"{path.name} imports {packages}"
