"""What makes every file be parsed again: another image, package, plugin or setting."""

import os
from pathlib import Path

import pytest

from airflow_on_fargate.releases import environment

VARIABLES = {"AIRFLOW__CORE__PARALLELISM": "1", "PATH": "/bin"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "package").mkdir()
    (tmp_path / "package/module.py").write_text("A = 1")
    return tmp_path


def digest(folder: Path, **variables: str) -> str:
    return environment.digest_of([folder, folder / "missing"], VARIABLES | variables)


def test_same_files_and_settings_have_the_same_digest(folder: Path) -> None:
    before = digest(folder)
    (folder / "package/__pycache__").mkdir()
    (folder / "package/__pycache__/module.cpython-313.pyc").write_bytes(b"compiled")
    assert digest(folder, PATH="/usr/bin", HOSTNAME="another") == before


def test_each_file_counts(folder: Path) -> None:
    module = folder / "package/module.py"
    found = [digest(folder)]
    # The same size at another time.
    os.utime(module, ns=(1, 1))
    found.append(digest(folder))
    module.write_text("A = 12")
    os.utime(module, ns=(1, 1))
    found.append(digest(folder))
    (folder / "plugin.py").touch()
    found.append(digest(folder))
    (folder / "plugin.py").unlink()
    module.rename(folder / "package/other.py")
    found.append(digest(folder))
    assert len(set(found)) == 5


def test_place_of_airflow_home_does_not_count_but_what_is_in_it_does(tmp_path: Path) -> None:
    def digest_at(home: Path) -> str:
        variables = {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__PLUGINS": f"{home}/plugins"}
        return environment.digest_of([home / "config"], variables)

    homes = [tmp_path / "one", tmp_path / "other"]
    for home in homes:
        (home / "config").mkdir(parents=True)
        (home / "config/local_settings.py").write_text("A = 1")
        os.utime(home / "config/local_settings.py", ns=(1, 1))
    assert digest_at(homes[0]) == digest_at(homes[1])
    (homes[1] / "config/local_settings.py").write_text("A = 12")
    assert digest_at(homes[0]) != digest_at(homes[1])


@pytest.mark.parametrize("name", ["AIRFLOW__CORE__PARALLELISM", "AIRFLOW__X__Y"])
def test_each_setting_of_airflow_counts(folder: Path, name: str) -> None:
    assert digest(folder, **{name: "2"}) != digest(folder)


def test_file_that_cannot_be_looked_at_does_not_raise(folder: Path) -> None:
    (folder / "broken").symlink_to(folder / "nowhere")
    assert digest(folder)


def test_it_is_the_same_each_time_in_one_process() -> None:
    assert environment.digest() == environment.digest()
