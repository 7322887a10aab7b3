"""The settings of a project: `check-dags.toml`, in the folder of the DAGs or in one above it."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

FILE_NAME = "check-dags.toml"
CHECKS = ("lint", "security", "release", "import", "rules", "tests", "coverage", "quality-gate")
RATINGS = "ABCD"
RUNNERS = ("pytest", "unittest")


class SettingsError(Exception):
    """The settings cannot be used; the text says which and what to write."""


@dataclass(frozen=True)
class ImportSettings:
    """The limits of each import, in seconds and in MiB above what Airflow itself needs."""

    seconds: float = 30.0
    memory_mib: int = 512


@dataclass(frozen=True)
class TestSettings:
    """The tests of the project. Without folders there are none, and that is said, not assumed."""

    __test__ = False

    folders: Sequence[str] = ("tests",)
    runner: str = "pytest"
    arguments: Sequence[str] = ()
    seconds: float = 600.0
    memory_mib: int = 2048


@dataclass(frozen=True)
class RuleSettings:
    """Rules for every DAG; None switches one off."""

    # True: an owner other than Airflow's default. A list: one of these.
    owner: bool | Sequence[str] | None = None
    tags: int | None = None
    retries: int | None = None
    dag_id: str | None = None
    import_seconds: float | None = None


@dataclass(frozen=True)
class GateSettings:
    """What may pass. A security finding that is worse than `rating` must be in the baseline."""

    rating: str = "B"
    coverage: float | None = None
    baseline: str = "check-dags-baseline.json"


@dataclass(frozen=True)
class QualityGateSettings:
    """The quality gate of SonarQube or SonarCloud; asked where a project is set."""

    project: str = ""
    url: str = "https://sonarcloud.io"
    branch: str = ""
    token_variable: str = "SONAR_TOKEN"  # noqa: S105  # the name of a variable
    wait_seconds: float = 300.0
    # fail or warn: what a service that does not answer means.
    when_down: str = "fail"


@dataclass(frozen=True)
class Settings:
    """All of them. `environment` are variables for imports and tests."""

    skip: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    imports: ImportSettings = ImportSettings()
    tests: TestSettings = TestSettings()
    rules: RuleSettings = RuleSettings()
    gate: GateSettings = GateSettings()
    quality_gate: QualityGateSettings = QualityGateSettings()


_TABLES: Mapping[str, Any] = {
    "imports": ImportSettings,
    "tests": TestSettings,
    "rules": RuleSettings,
    "gate": GateSettings,
    "quality-gate": QualityGateSettings,
}
_CHOICES: Mapping[str, Sequence[str]] = {
    "tests.runner": RUNNERS,
    "gate.rating": tuple(RATINGS),
    "quality-gate.when_down": ("fail", "warn"),
}
_NAMES = {str: "a text", float: "a number", int: "a whole number", bool: "true", tuple: "a list"}


def find_settings(folder: Path) -> Path | None:
    """The file in the folder of the DAGs, or in the nearest folder above it that has one."""
    for place in (folder, *folder.parents):
        if (place / FILE_NAME).is_file():
            return place / FILE_NAME
    return None


def read_settings(path: Path | None) -> Settings:
    """The settings of a file, or the defaults.

    Raises:
        SettingsError: with the key that is wrong.
    """
    if path is None:
        return Settings()
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from error
    try:
        return _settings(document)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error


def _settings(document: Mapping[str, Any]) -> Settings:
    _known("", document, ["skip", "environment", *_TABLES])
    skip = _texts("skip", document.get("skip", []))
    _known("skip: ", dict.fromkeys(skip), CHECKS)
    environment = document.get("environment", {})
    if not isinstance(environment, dict):
        raise SettingsError("environment is not a table: write [environment]")
    for name, value in environment.items():
        if not isinstance(value, str):
            raise SettingsError(f"environment.{name} is not a text: put it between quotes")
    tables = {
        name.replace("-", "_"): _table(name, made_of, document.get(name, {}))
        for name, made_of in _TABLES.items()
    }
    return Settings(skip=skip, environment=environment, **tables)


def _table(name: str, made_of: Any, values: Any) -> Any:
    if not isinstance(values, dict):
        raise SettingsError(f"{name} is not a table: write [{name}]")
    _known(f"{name}.", values, [each.name for each in fields(made_of)])
    defaults = made_of()
    checked = {
        key: _value(f"{name}.{key}", value, getattr(defaults, key)) for key, value in values.items()
    }
    return made_of(**checked)


# The kinds of the settings whose default is None.
_KINDS: Mapping[str, tuple[type, ...]] = {
    "rules.owner": (bool, tuple),
    "rules.tags": (int,),
    "rules.retries": (int,),
    "rules.dag_id": (str,),
    "rules.import_seconds": (float,),
    "gate.coverage": (float,),
}


def _value(key: str, value: Any, default: Any) -> Any:
    kinds = _KINDS.get(key, (type(default),))
    if isinstance(value, list):
        value = _texts(key, value)
    if isinstance(value, int) and not isinstance(value, bool) and float in kinds:
        value = float(value)
    if type(value) not in kinds:
        asked = " or ".join(_NAMES[kind] for kind in kinds)
        raise SettingsError(f"{key} is {value!r}: write {asked}")
    if isinstance(value, int | float) and value < 0:
        raise SettingsError(f"{key} is {value!r}: write a number that is not negative")
    if key in _CHOICES and value not in _CHOICES[key]:
        raise SettingsError(f"{key} is {value!r}: write one of {', '.join(_CHOICES[key])}")
    if key == "rules.dag_id":
        try:
            re.compile(value)
        except re.error as error:
            raise SettingsError(f"{key} is not a regular expression: {error}") from error
    return value


def _texts(key: str, values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
        raise SettingsError(f"{key} is not a list of texts")
    return tuple(values)


def _known(where: str, values: Mapping[str, Any], names: Sequence[str]) -> None:
    for each in values:
        if each not in names:
            raise SettingsError(f"{where}{each} is unknown: write one of {', '.join(names)}")
