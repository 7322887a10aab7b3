"""What differs between two environments: the live release, the image, the parameters, the files."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from contracts.release_manifest import ReleaseFile
from publish_dags.ports import NoSuchReleaseError
from release_dags.environments import Environment, ReleaseError
from release_dags.promotion import file_hash

# Outputs that say what runs. The others name resources, which always differ.
_OUTPUTS = ("AirflowImageUri", "AirflowImageFindings")
_ABSENT = "-"
_HASH_CHARACTERS = 10


@dataclass(frozen=True)
class Difference:
    """One row: the values of both environments."""

    name: str
    first: str
    second: str


def compare(first: Environment, second: Environment) -> list[Difference]:
    """All differences, in the order release, image, parameters, files."""
    one, two = _files(first), _files(second)
    rows = list(_differing(_said(first, one), _said(second, two)))
    rows += _differing(_what_runs(first), _what_runs(second))
    rows += _differing(first.parameters, second.parameters)
    hashes = [
        {path: entry.sha256[:_HASH_CHARACTERS] for path, entry in files.items()}
        for files in (one, two)
    ]
    rows += _differing(*hashes)
    return rows


def table(first: Environment, second: Environment, rows: list[Difference]) -> str:
    """The rows in columns."""
    if not rows:
        return f"{first.name} and {second.name} are the same"
    cells = [("", first.name, second.name), *((r.name, r.first, r.second) for r in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(3)]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def _differing(first: Mapping[str, str], second: Mapping[str, str]) -> Iterator[Difference]:
    for name in [*first, *(name for name in second if name not in first)]:
        values = first.get(name, _ABSENT), second.get(name, _ABSENT)
        if values[0] != values[1]:
            yield Difference(name, *values)


def _files(environment: Environment) -> Mapping[str, ReleaseFile]:
    current = environment.releases.pointer()
    if current is None:
        return {}
    try:
        return environment.releases.release(current.pointer.release).manifest.files
    except NoSuchReleaseError as error:
        raise ReleaseError(f"{environment.name}: {error}") from error


def _said(environment: Environment, files: Mapping[str, ReleaseFile]) -> dict[str, str]:
    """The content, and not the release's id, which contains the time."""
    current = environment.releases.pointer()
    if current is None:
        return {}
    pointer = current.pointer
    said = {
        "content": file_hash(files)[:_HASH_CHARACTERS],
        "commit": pointer.origin.get("commit", _ABSENT),
        "held": "yes" if pointer.hold else "no",
    }
    return {key: value for key, value in said.items() if value != _ABSENT}


def _what_runs(environment: Environment) -> dict[str, str]:
    outputs = environment.outputs
    shown = {name: outputs[name] for name in _OUTPUTS if name in outputs}
    # Each account has a registry of its own; the digest says whether the image is the same.
    return {name: value.rpartition("@")[2] for name, value in shown.items()}
