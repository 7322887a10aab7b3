"""Explain why packages cannot be installed, in a sentence that names what to change.

uv explains a failed resolution as a proof, over several lines. The sentences here name the package
of the user's file, what it needs, and the version of the lock file that contradicts it. A text that
is not understood is passed on as it is. The texts are those of the version of uv that is locked in
local/environments; the tests run it.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from build_image.checks.requirements_file import normalized

_MAX_TEXT = 1200
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_RANGE = r"[=<>!~][^\s]*[^\s,]"
# `all versions of one`, `one==1.0`, `one>=1.0`
_PACKAGE = rf"(?:all versions of (?P<any>{_NAME})|(?P<one>{_NAME})(?P<version>{_RANGE})?)"
_NEEDS = re.compile(
    rf"{_PACKAGE} depends? on (?P<needed>{_NAME})(?:\[[^\]]*\])?"
    rf"(?P<range>{_RANGE})?(?=[\s,]|$)"
)
# A range with a gap, as `!=` makes it.
_NEEDS_ONE_OF = re.compile(rf"{_PACKAGE} depends? on one of: (?P<ranges>(?:{_NAME}{_RANGE} )+)")
_REQUIRED = re.compile(rf"(?:you require|and) (?P<name>{_NAME})(?P<range>{_RANGE})")
_REQUIRED_TWICE = re.compile(
    rf"you require (?P<name>{_NAME})(?P<one>{_RANGE}) and (?P=name)(?P<two>{_RANGE})"
)
_ONLY = re.compile(rf"only (?P<name>{_NAME})(?P<range>{_RANGE}) is available")
_NO_VERSION = re.compile(rf"there (?:is|are) no versions? of (?P<name>{_NAME})(?P<range>{_RANGE})")
_MISSING = re.compile(rf"({_NAME}) was not found in the (?:package registry|provided)")
_NO_WHEEL = re.compile(
    rf"{_PACKAGE} ha(?:s|ve) no (?:usable )?wheels"
    r"(?: with a matching (?P<kind>Python|platform)[^`]*`(?P<tag>[^`]+)`)?"
)
_OTHER_WHEELS = re.compile(r"(?:platforms?|tags?): (`[^`]+`(?:,? (?:and )?`[^`]+`)*)")
_PYTHON = re.compile(rf"{_PACKAGE} requires? Python (?P<range>{_RANGE})")
_NO_ACCESS = re.compile(
    r"An index(?: URL)? \((?P<url>[^)]+)\) (?:could not be queried [^(]*\(|returned a )"
    r"(?P<status>\d+ [A-Z][a-z]+)"
)
_FETCH = re.compile(r"Failed to (?:fetch|download):? (?:`[^`]*@ )?(?P<url>https?://[^\s`]+)")
_UNREACHABLE = re.compile(
    r"(Failed to fetch|Failed to download|error sending request|Request failed|dns error|"
    r"operation timed out|Could not connect)", re.IGNORECASE
)  # fmt: skip
_STATUS = re.compile(r"HTTP status \w+ error \((?P<status>\d+ [^)]+)\)")
_HASH = re.compile(r"Hash mismatch for `([^`]+)`")
_DISK = re.compile(r"No space left on device", re.IGNORECASE)
_MEMORY = re.compile(r"out of memory|cannot allocate memory", re.IGNORECASE)
_NO_REQUIREMENT = re.compile(r"Couldn't parse requirement in `[^`]*`(?: at position \d+)? cause: ")

_OWN_IMAGE = "or build an image of your own and set AirflowImageUri."


def explain(
    text: str,
    file: str,
    pins: Mapping[str, str],
    versions: Callable[[], Mapping[str, str]] = dict,
) -> str:
    """The reason for the user.

    Args:
        text: what uv printed.
        file: the file that names the packages, as the user knows it.
        pins: the versions of the lock file, by normalized name.
        versions: those that the packages would have without the lock file, by normalized name.
    """
    flat = re.sub(r"\s+", " ", text).strip()
    reasons = _Reasons(flat, file, pins, versions)
    for reason in (
        reasons.of_the_function,
        reasons.of_a_hash,
        reasons.of_the_index,
        reasons.of_a_name,
        reasons.of_wheels,
        reasons.of_python,
        reasons.of_the_lock,
        reasons.of_the_file_itself,
        reasons.of_a_version,
        reasons.of_a_line,
    ):
        if found := reason():
            return found
    return f"The packages of {file} cannot be installed. uv: {_shortened(flat)}"


@dataclass(frozen=True)
class _Reasons:
    """Each method returns the sentence, or nothing where the text says something else."""

    text: str
    file: str
    pins: Mapping[str, str]
    versions: Callable[[], Mapping[str, str]]

    def of_the_function(self) -> str:
        if _DISK.search(self.text):
            return (
                f"The packages of {self.file} do not fit on the function's disk (/tmp): raise its "
                "EphemeralStorage, or remove packages."
            )
        if _MEMORY.search(self.text):
            return (
                f"The function's memory was not enough for the packages of {self.file}: raise "
                "MemorySize."
            )
        return ""

    def of_a_hash(self) -> str:
        if not (found := _HASH.search(self.text)):
            return ""
        return (
            f"{found[1]} is not the file that {self.file} names: its hash differs. Lock again if "
            "the package was published again, and find out why."
        )

    def of_the_index(self) -> str:
        if found := _NO_ACCESS.search(self.text):
            return (
                f"The package index {found['url']} refuses access ({found['status']}): check its "
                f"address and its password, and the packages that {self.file} names."
            )
        found = _FETCH.search(self.text)
        status = _STATUS.search(self.text)
        if found and status and status["status"].startswith("4") and "429" not in status["status"]:
            return (
                f"{self.file} names {found['url']}, which cannot be fetched ({status['status']}): "
                "check the address."
            )
        if found or _UNREACHABLE.search(self.text):
            where = "/".join(found["url"].split("/")[:3]) if found else "that they come from"
            why = status["status"] if status else self.text.rpartition("cause: ")[2]
            return (
                f"The packages of {self.file} could not be downloaded: the package index {where} "
                f"cannot be used at the moment ({_shortened(why)}). Deploy again later, when it "
                "answers."
            )
        return ""

    def of_a_name(self) -> str:
        if not (found := _MISSING.search(self.text)):
            return ""
        if parent := self._parent(found[1]):
            return (
                f"{parent} of {self.file} needs {found[1]}, which does not exist in the package "
                f"index: choose another version of {parent}, or add the index that has it."
            )
        return (
            f"{self.file} names {found[1]}, which does not exist in the package index: check its "
            "name."
        )

    def of_wheels(self) -> str:
        if not (found := _NO_WHEEL.search(self.text)):
            return ""
        name = found["any"] or found["one"]
        parent = self._parent(name)
        shown = f"{_shown(found)}, which {parent} of {self.file} needs," if parent else (
            f"{_shown(found)} of {self.file}"
        )  # fmt: skip
        if found["kind"] is None:
            return (
                f"{shown} has no wheel, only source code, and the builder has no compiler: choose "
                f"a version with wheels or another package, {_OWN_IMAGE}"
            )
        target = "Python" if found["kind"] == "Python" else "processor and system"
        others = _OTHER_WHEELS.search(self.text)
        only = f", only for {others[1].replace('`', '')}" if others else ""
        return (
            f"{shown} has no wheel for this image's {target} ({found['tag']}){only}: choose "
            f"another version or another package, {_OWN_IMAGE}"
        )

    def of_python(self) -> str:
        if not (found := _PYTHON.search(self.text)):
            return ""
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        return (
            f"{_shown(found)} of {self.file} needs Python {found['range']}, but the image has "
            f"Python {python}: choose another version."
        )

    def of_the_lock(self) -> str:
        """A conflict with the lock file; the text names the version that is locked."""
        for package, needed, wanted in self._needs():
            pin = self.pins.get(needed)
            if pin is None or not self._contains(f"{needed}=={pin}"):
                continue
            name = package["any"] or package["one"]
            version = self._version(package)
            who = f"{name} {version}" if version else _shown(package)
            if parent := self._parent(name):
                who = f"{who}, which {parent} needs,"
            way = (
                f"No version of {name} accepts {needed} {pin}: use another package"
                if package["any"]
                else f"Choose a version of {name} that accepts {needed} {pin}"
            )
            return (
                f"{self.file} conflicts with Airflow's lock file: {who} needs {wanted}, but the "
                f"lock file has {needed} {pin}. {way}, or lock images/airflow/requirements.in with "
                f"another {needed}."
            )
        for found in _REQUIRED.finditer(self.text):
            name, wanted = normalized(found["name"]), found["range"]
            pin = self.pins.get(name)
            if pin is not None and wanted != f"=={pin}" and self._contains(f"{name}=={pin}"):
                return (
                    f"{self.file} conflicts with Airflow's lock file: it names {name}{wanted}, but "
                    f"the lock file has {name} {pin}. Remove the line, or lock "
                    "images/airflow/requirements.in with that version."
                )
        return ""

    def of_the_file_itself(self) -> str:
        """Lines of the user's file that exclude each other."""
        if found := _REQUIRED_TWICE.search(self.text):
            name = found["name"]
            return (
                f"{self.file} names {name}{found['one']} and {name}{found['two']}, which exclude "
                "each other: keep one of the lines."
            )
        needs = list(self._needs())
        required = {normalized(one["name"]): one["range"] for one in _REQUIRED.finditer(self.text)}
        for package, needed, wanted in needs:
            if needed in required:
                return (
                    f"{_shown(package)} needs {wanted}, but {self.file} names "
                    f"{needed}{required[needed]}: change one of the lines."
                )
            for other, same, different in needs:
                if same == needed and different != wanted:
                    return (
                        f"Packages of {self.file} exclude each other: {_shown(package)} needs "
                        f"{wanted}, and {_shown(other)} needs {different}. Choose other versions, "
                        "or remove one of them."
                    )
        return ""

    def of_a_version(self) -> str:
        """A version that no index has."""
        if found := _NO_VERSION.search(self.text):
            return (
                f"{self.file} names {found['name']}{found['range']}, a version that does not "
                "exist: choose another one."
            )
        if not (found := _ONLY.search(self.text)):
            return ""
        only = f"but the package index has only {found['name']}{found['range']}"
        for package, needed, wanted in self._needs():
            if needed == normalized(found["name"]):
                return (
                    f"{_shown(package)} of {self.file} needs {wanted}, {only}: choose another "
                    "version, or add the index that has it."
                )
        for one in _REQUIRED.finditer(self.text):
            if one["name"] == found["name"]:
                return (
                    f"{self.file} names {one['name']}{one['range']}, {only}: choose another "
                    "version."
                )
        return ""

    def of_a_line(self) -> str:
        if not (found := _NO_REQUIREMENT.search(self.text)):
            return ""
        cause = self.text[found.end() :].rstrip(" ^")
        return f"{self.file} has a line that is not a requirement: {_shortened(cause)}"

    def _needs(self) -> Iterator[tuple[re.Match[str], str, str]]:
        """Who needs what: the package, the normalized name, and the words for the range."""
        for found in _NEEDS.finditer(self.text):
            needed = normalized(found["needed"])
            if needed != "one" and found["range"]:
                yield found, needed, f"{needed}{found['range']}"
        for found in _NEEDS_ONE_OF.finditer(self.text):
            ranges = found["ranges"].split()
            name = re.match(_NAME, ranges[0])
            assert name is not None
            yield found, normalized(name[0]), " or ".join(ranges)

    def _parent(self, name: str) -> str:
        """A package that needs this one; nothing where only the user's file names it."""
        for found in _NEEDS.finditer(self.text):
            if normalized(found["needed"]) == normalized(name):
                parent: str = found["any"] or found["one"]
                return parent
        return ""

    def _version(self, package: re.Match[str]) -> str:
        if (package["version"] or "").startswith("=="):
            return str(package["version"][2:])
        return self.versions().get(normalized(package["any"] or package["one"]), "")

    def _contains(self, requirement: str) -> bool:
        end = r"(?=[\s,]|$)"
        return bool(re.search(rf"(?<![\w.-]){re.escape(requirement)}{end}", self.text))


def _shown(package: re.Match[str]) -> str:
    if package["any"]:
        return f"every version of {package['any']}"
    return f"{package['one']}{package['version'] or ''}".replace("==", " ")


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]} […]"
