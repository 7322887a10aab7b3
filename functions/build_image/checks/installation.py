"""Explain why packages cannot be installed, in a sentence that names what to change.

uv explains a failed resolution as a proof, over several lines. The sentences here name the package
of the user's file, what it needs, and the version of the lock file that contradicts it. A text that
is not understood is passed on as it is.
"""

import re
from collections.abc import Mapping

from build_image.source import normalized

_MAX_TEXT = 1200
_MISSING = re.compile(r"Because (\S+) was not found in the (?:package registry|provided)")
_NO_VERSION = re.compile(
    r"there (?:is|are) no versions? of (\S+?)((?:[=<>!~]|\s*,\s*[=<>!~])\S*)[ ,]"
)
_NO_WHEEL = re.compile(r"(?:Because|because|and|that) (\S+?)(?:==(\S+))? has no (?:usable )?wheels")
_SOURCE_ONLY = re.compile(r"Wheels are required for `(\S+?)`")
_NEEDS = re.compile(
    r"(?:all versions of (?P<any>[^\s=<>!~]+)"
    r"|(?P<one>[A-Za-z0-9][A-Za-z0-9._-]*)(?P<version>[=<>~]=?[^\s]+))"
    r" depends? on (?P<needed>[A-Za-z0-9][A-Za-z0-9._\[\]-]*?)(?P<range>[=<>!~][^\s]*)"
)
_REQUIRED = re.compile(r"you require ([A-Za-z0-9][A-Za-z0-9._-]*)([=<>!~][^\s]*)")
_NETWORK = re.compile(
    r"(Failed to fetch|Failed to download|error sending request|Request failed|dns error|"
    r"operation timed out|Could not connect)", re.IGNORECASE
)  # fmt: skip
_HASH = re.compile(r"Hash mismatch for `([^`]+)`")
_DISK = re.compile(r"No space left on device", re.IGNORECASE)
_MEMORY = re.compile(r"out of memory|cannot allocate memory", re.IGNORECASE)


def explain(text: str, file: str, pins: Mapping[str, str]) -> str:
    """The reason for the user.

    Args:
        text: what uv printed.
        file: the file that names the packages, as the user knows it.
        pins: the versions of the lock file, by normalized name.
    """
    flat = re.sub(r"\s+", " ", text)
    if _DISK.search(flat):
        return (
            f"The packages of {file} do not fit on the function's disk (/tmp): raise its "
            "EphemeralStorage, or remove packages."
        )
    if _MEMORY.search(flat):
        return f"The function's memory was not enough for the packages of {file}: raise MemorySize."
    if found := _HASH.search(flat):
        return (
            f"{found[1]} is not the file that {file} names: its hash differs. Lock again if the "
            "package was published again, and find out why."
        )
    if found := _MISSING.search(flat):
        return (
            f"{file} names {found[1]}, which does not exist in the package index: check its name."
        )
    if found := (_SOURCE_ONLY.search(flat) or _NO_WHEEL.search(flat)):
        return (
            f"{found[1]} of {file} has no wheel for this image's Python and processor, only source "
            "code, and the builder has no compiler: choose a version with wheels or another "
            "package, or build an image of your own and set AirflowImageUri."
        )
    if conflict := _conflict(flat, file, pins):
        return conflict
    if found := _NO_VERSION.search(flat):
        return (
            f"{file} names {found[1]}{found[2].strip()}, a version that does not exist: choose "
            "another one."
        )
    if _NETWORK.search(flat):
        return (
            f"The packages of {file} could not be downloaded; deploy again when the package index "
            f"can be reached. uv: {_shortened(flat)}"
        )
    return f"The packages of {file} cannot be installed. uv: {_shortened(flat)}"


def _conflict(flat: str, file: str, pins: Mapping[str, str]) -> str:
    for found in _NEEDS.finditer(flat):
        needed = normalized(found["needed"].partition("[")[0])
        if needed in pins and found["range"] != f"=={pins[needed]}":
            name = f"every version of {found['any']}" if found["any"] else ""
            who = name or f"{found['one']}{found['version']}".replace("==", " ")
            return (
                f"{file} conflicts with Airflow's lock file: {who} needs "
                f"{needed}{found['range'].rstrip(',')}, but the lock file has {needed} "
                f"{pins[needed]}. Choose a version of {found['any'] or found['one']} that accepts "
                f"{needed} {pins[needed]}, or lock images/airflow/requirements.in with another one."
            )
    for found in _REQUIRED.finditer(flat):
        name = normalized(found[1])
        if name in pins and found[2].rstrip(",") != f"=={pins[name]}":
            return (
                f"{file} conflicts with Airflow's lock file: it names "
                f"{name}{found[2].rstrip(',')}, but the lock file has {name} {pins[name]}. Remove "
                "the line, or lock images/airflow/requirements.in with that version."
            )
    return ""


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]} […]"
