"""The layer of the system: the user, the folders, and programs without another user's rights.

It has the files that these instructions of images/airflow/Dockerfile make: groupadd, useradd,
mkdir, ln and chmod a-s.
"""

import copy
import os
from collections.abc import Iterator
from pathlib import Path

from build_image.errors import BaseImageError
from build_image.layers.base_files import SKELETON, BaseFiles
from build_image.layers.tar_layer import FIXED_TIME, Entry, file, folder, link

USER = "airflow"
USER_ID = 50000
HOME = "opt/airflow"
# The user's plugins; the setting [core] plugins_folder names it, in an image without any, too.
PLUGINS = "opt/airflow-user/plugins"
_SUBORDINATE_IDS = "100000:65536"
_SECONDS_OF_A_DAY = 86400
# useradd writes the day of the last change of the password. A fixed one gives the same bytes.
_LINES = {
    "etc/passwd": f"{USER}:x:{USER_ID}:{USER_ID}::/{HOME}:/bin/sh",
    "etc/group": f"{USER}:x:{USER_ID}:",
    "etc/shadow": f"{USER}:!:{FIXED_TIME // _SECONDS_OF_A_DAY}:0:99999:7:::",
    "etc/gshadow": f"{USER}:!::",
}


def entries(base: BaseFiles, storage: Path) -> Iterator[Entry]:
    """The entries of the layer; new contents are written to files in `storage`."""
    yield from _accounts(base, storage)
    yield folder(HOME, mode=0o700, owner=USER_ID)
    for path, skeleton in base.kept.items():
        if path.startswith(SKELETON):
            yield _moved(skeleton, f"{HOME}/{path.removeprefix(SKELETON)}", owner=USER_ID)
    yield folder("usr/local/airflow")
    # Many DAGs that ran on MWAA name this folder.
    yield link("usr/local/airflow/dags", f"/{HOME}/dags")
    yield folder(os.path.dirname(PLUGINS))
    yield folder(PLUGINS)
    for path, program in base.special_files().items():
        plain = _moved(program, path)
        plain.info.mode &= 0o1777
        yield plain


def _accounts(base: BaseFiles, storage: Path) -> Iterator[Entry]:
    for path in ("etc/passwd", "etc/group"):
        if path not in base.kept:
            raise BaseImageError(
                f"The base image has no /{path}: choose one that is made from Debian."
            )
    lines = dict(_LINES)
    for path in ("etc/subuid", "etc/subgid"):
        lines[path] = f"{USER}:{_SUBORDINATE_IDS}"
    for path, line in lines.items():
        former = base.kept.get(path)
        if former is None:
            continue
        assert former.source is not None
        text = former.source.read_text()
        _check_free(path, text)
        yield _moved(former, f"{path}-")  # the former content, as useradd keeps it
        # A base image with subordinate ids of its own keeps them: nothing here uses these ids.
        if path.startswith("etc/sub") and text:
            continue
        target = storage / path.replace("/", "-")
        target.write_text(
            f"{text}{line}\n" if not text or text.endswith("\n") else f"{text}\n{line}\n"
        )
        yield file(
            path, target, mode=former.info.mode, owner=former.info.uid, group=former.info.gid
        )
    lock = storage / "pwd.lock"
    lock.touch()
    yield file("etc/.pwd.lock", lock, mode=0o600)


def _check_free(path: str, text: str) -> None:
    for line in text.splitlines():
        fields = line.split(":")
        numbered = path in ("etc/passwd", "etc/group") and len(fields) > 2
        if fields[0] == USER or (numbered and fields[2] == str(USER_ID)):
            raise BaseImageError(
                f"The base image already has {fields[0]} in /{path}: choose one without an account "
                f"named {USER} and without the id {USER_ID}."
            )


def _moved(entry: Entry, path: str, *, owner: int | None = None) -> Entry:
    info = copy.copy(entry.info)
    info.name = path
    info.type, info.linkname = b"0", ""
    info.uname = info.gname = ""
    # Extended attributes, such as capabilities of a program, are kept; names and times are not.
    info.pax_headers = {
        name: value for name, value in info.pax_headers.items() if name.startswith("SCHILY.xattr.")
    }
    info.mtime = FIXED_TIME
    if owner is not None:
        info.uid = info.gid = owner
    return Entry(info, entry.source)
