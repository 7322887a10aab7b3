"""DagReleases: what a DAG release may contain and how long releases are kept."""

import json
from dataclasses import dataclass
from typing import Any

from shared.json_parameters import JsonParameterError, is_whole_number, read_object

FORGIVING = "forgiving"
STRICT = "strict"
_MODES = (FORGIVING, STRICT)


@dataclass(frozen=True)
class DagReleases:
    """The settings. The defaults apply where the parameter says nothing."""

    max_files: int = 20000
    # Of all files of a release together, and of a zip file.
    max_mib: int = 128
    # So many of the newest releases are always kept.
    kept: int = 50
    # Days for which a release is kept after its last run has ended.
    kept_days: int = 30
    # Whether one bad file refuses the whole release (strict) or only stays out (forgiving).
    mode: str = FORGIVING

    @property
    def strict(self) -> bool:
        return self.mode == STRICT


# Key of the JSON object -> field, least, most.
_KEYS = {
    "maxFiles": ("max_files", 1, 100_000),
    "maxMib": ("max_mib", 1, 512),
    "kept": ("kept", 2, 10_000),
    "keptDays": ("kept_days", 0, 3650),
}
_MODE = "mode"


def read_dag_releases(text: str) -> tuple[DagReleases, list[str]]:
    """The settings, and all problems of the parameter."""
    try:
        described = read_object("DagReleases", text)
    except JsonParameterError as error:
        return DagReleases(), [str(error)]
    values: dict[str, Any] = {}
    problems = []
    for key, value in described.items():
        if key == _MODE:
            if value in _MODES:
                values[_MODE] = value
            else:
                problems.append(
                    f"DagReleases.{_MODE} is {json.dumps(value)}: choose {FORGIVING} or {STRICT}."
                )
            continue
        if key not in _KEYS:
            known = ", ".join([*_KEYS, _MODE])
            problems.append(f"DagReleases contains the unknown key {key!r}: choose among {known}.")
            continue
        field, least, most = _KEYS[key]
        if is_whole_number(value, least, most):
            values[field] = value
        else:
            problems.append(
                f"DagReleases.{key} is {json.dumps(value)}: choose a whole number from {least} to "
                f"{most}."
            )
    return DagReleases(**values), problems
