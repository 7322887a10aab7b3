"""images/airflow/user/packages.txt: the Debian packages that the image has in addition.

One package a line, `name` or `name=version`; `#` begins a comment. The names become arguments of
apt-get, for which `-o…`, `name-`, `name/release` and patterns have a meaning of their own.
"""

import re
from pathlib import Path

from build_image.errors import ImageBuildError

FILE = "images/airflow/user/packages.txt"
MAX_PACKAGES = 200
# Debian Policy, 5.6.1 and 5.6.12. apt-get removes a package whose name ends with "-".
_NAME = r"[a-z0-9][a-z0-9+.-]*[a-z0-9+]"
_VERSION = r"[0-9][0-9A-Za-z.+~:-]*"
_LINE = re.compile(rf"({_NAME})(=({_VERSION}))?")


class DebianPackagesError(ImageBuildError):
    """The file cannot be used; the message names each mistake and its line."""


def read(file: Path) -> tuple[str, ...]:
    """The packages of a file in its order; none if there is no file.

    Raises:
        DebianPackagesError: a line is not a package.
    """
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return ()
    except UnicodeDecodeError as error:
        raise DebianPackagesError(f"{FILE} is not UTF-8 text: save it as UTF-8.") from error
    packages: dict[str, str] = {}
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        content = line.partition("#")[0].strip()
        if not content:
            continue
        found = _LINE.fullmatch(content)
        if found is None:
            problems.append(
                f"{FILE}, line {number}: {content[:80]!r} is not the name of a Debian package: "
                "write one package a line, such as unixodbc or unixodbc=2.3.11-2+deb12u1."
            )
        elif found[1] in packages:
            problems.append(f"{FILE}, line {number}: {found[1]} is named twice: keep one line.")
        else:
            packages[found[1]] = content
    if len(packages) > MAX_PACKAGES:
        problems.append(f"{FILE} names {len(packages)} packages; allowed are {MAX_PACKAGES}.")
    if problems:
        raise DebianPackagesError(" ".join(problems[:10]))
    return tuple(packages.values())
