"""DagReleases: how large a DAG release may be and how long releases are kept."""

import json
from dataclasses import dataclass

from shared.json_parameters import JsonParameterError, is_whole_number, read_object


@dataclass(frozen=True)
class DagReleases:
    """The limits. The defaults apply where the parameter says nothing."""

    max_files: int = 20000
    # Of all files of a release together, and of a zip file.
    max_mib: int = 128
    # So many of the newest releases are always kept.
    kept: int = 50
    # Days for which a release is kept after its last run has ended.
    kept_days: int = 30


# Key of the JSON object -> field, least, most.
_KEYS = {
    "maxFiles": ("max_files", 1, 100_000),
    "maxMib": ("max_mib", 1, 512),
    "kept": ("kept", 2, 10_000),
    "keptDays": ("kept_days", 0, 3650),
}


def read_dag_releases(text: str) -> tuple[DagReleases, list[str]]:
    """The limits, and all problems of the parameter."""
    try:
        described = read_object("DagReleases", text)
    except JsonParameterError as error:
        return DagReleases(), [str(error)]
    values: dict[str, int] = {}
    problems = []
    for key, value in described.items():
        if key not in _KEYS:
            problems.append(
                f"DagReleases contains the unknown key {key!r}: choose among {', '.join(_KEYS)}."
            )
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
