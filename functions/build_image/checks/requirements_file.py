"""The lines of a user's requirements.txt, as far as the builder has to know them.

uv reads the file; this module refuses what uv could do on a developer's machine only: other files,
folders, and repositories of Git.
"""

import re
from dataclasses import dataclass

_COMMENT = re.compile(r"(^|\s+)#.*$")
_HASH = re.compile(r"--hash[=\s](\S+)")
_NAME = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(.*)$")
_PINNED = re.compile(r"==([^\s;]+)")
_INDEX_OPTIONS = ("--index-url", "--extra-index-url", "-i")
_FORMS = (
    "one package of a package index a line, such as requests>=2.32, or the address of a wheel "
    "(name @ https://…)"
)


@dataclass(frozen=True)
class Line:
    """A requirement or an option, with the continued lines joined and the comments removed."""

    number: int
    text: str

    @property
    def name(self) -> str:
        """The package's name, in the user's spelling; empty for an option."""
        found = _NAME.match(self.text)
        return found[1] if found else ""

    @property
    def hashes(self) -> list[str]:
        return _HASH.findall(self.text)


def lines(text: str) -> list[Line]:
    """The lines that say something."""
    found: list[Line] = []
    joined, first = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        first = first if joined else number
        plain = _COMMENT.sub("", line).rstrip()
        if plain.endswith("\\"):
            joined += f"{plain[:-1]} "
            continue
        joined = f"{joined}{plain}".strip()
        if joined:
            found.append(Line(first, joined))
        joined = ""
    if joined.strip():
        found.append(Line(first, joined.strip()))
    return found


def with_own_hashes(locked: str, requirements: list[Line]) -> str:
    """A lock file in which packages have the hashes that the user's lines name.

    uv ignores hashes when it resolves, and writes those of the index.
    """
    own = {normalized(line.name): line.hashes for line in requirements if line.hashes}
    written = []
    for line in lines(locked):
        hashes = own.get(normalized(line.name)) if line.name else None
        text = line.text
        if hashes:
            text = _HASH.sub("", text).rstrip()
            text += "".join(f" --hash={one}" for one in hashes)
        written.append(f"{text}\n")
    return "".join(written)


def pinned_versions(text: str) -> dict[str, str]:
    """The versions of a lock file, by normalized name."""
    found = ((line.name, _PINNED.search(line.text)) for line in lines(text))
    return {normalized(name): version[1] for name, version in found if name and version}


def normalized(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def problems(text: str, shown: str) -> list[str]:
    """A sentence for each line that names something other than a package or an index."""
    return [
        f"{shown}, line {line.number}: {line.text!r} cannot be installed by the builder, which "
        f"takes {_FORMS}."
        for line in lines(text)
        if not _is_possible(line)
    ]


def _is_possible(line: Line) -> bool:
    if line.text.startswith("-"):
        return line.text.startswith(_INDEX_OPTIONS)
    found = _NAME.match(line.text)
    if found is None:
        return False
    rest = found[2]
    if rest.startswith("@"):
        return rest[1:].strip().startswith("https://")
    # A path or an address without a name: ./wheels/x.whl, git+https://…
    return not rest or rest[0] in "=<>!~;(-"
