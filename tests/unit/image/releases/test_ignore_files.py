"""The publisher ignores the same files as Airflow: compared with Airflow's own code."""

import random
from pathlib import Path

import pytest
from airflow.utils.file import find_path_from_directory

from shared.ignore_files import ignored

RULES = [
    "*.py", "a", "a/", "/a", "b.py", "a/b.py", "/a/*.py", "**/c.py", "a/**", "!b.py", "!a/", "# no",
    "x # remark", "c*", "[ab].py", "!/a/b.py", "lib/**/c.py", "?.py", "/", "*", "!*.py",
]  # fmt: skip
FOLDERS = ["", "a", "b", "lib", "a/b", "lib/a/x"]
FILES = ["a.py", "b.py", "c.py", "x", "#a.py"]


@pytest.mark.parametrize("seed", range(150))
def test_ignores_the_same_files_as_airflow_with_random_rules(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    paths = [f"{folder}/{name}".lstrip("/") for folder in FOLDERS for name in FILES]
    rules = {
        f"{folder}/.airflowignore".lstrip("/"): "\n".join(chance.choices(RULES, k=4))
        for folder in ["", *chance.sample(FOLDERS[1:], 2)]
    }
    for path, text in {**dict.fromkeys(paths, ""), **rules}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    found = find_path_from_directory(str(tmp_path), ".airflowignore", "glob")
    parsed = {str(Path(each).relative_to(tmp_path)) for each in found}
    assert set(paths) - ignored(paths, rules) == parsed, rules
