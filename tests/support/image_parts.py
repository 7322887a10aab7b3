"""Small parts of images: layers of a base image, and wheels."""

import base64
import gzip
import hashlib
import io
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

UV = Path(__file__).resolve().parents[2] / ".venv" / "uv" / "bin" / "uv"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def tar_of(
    files: Mapping[str, str | bytes],
    *,
    modes: Mapping[str, int] | None = None,
    links: Mapping[str, str] | None = None,
) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), (modes or {}).get(name, 0o644)
            info.gid = 42 if "shadow" in name else 0
            tar.addfile(info, io.BytesIO(data))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    return gzip.compress(out.getvalue(), mtime=0)


def debian_layer(python: str = PYTHON) -> bytes:
    """What the Dockerfile's instructions need of Debian."""
    return tar_of(
        {
            "etc/passwd": "root:x:0:0:root:/root:/bin/bash\n",
            "etc/group": "root:x:0:\n",
            "etc/shadow": "root:*:20000:0:99999:7:::\n",
            "etc/gshadow": "root:*::\n",
            "etc/subuid": "",
            "etc/subgid": "",
            "etc/skel/.profile": "# profile\n",
            "usr/bin/su": "a program",
            "usr/bin/cat": "another program",
            f"usr/local/bin/python{python}": "an interpreter",
        },
        modes={"usr/bin/su": 0o4755, "usr/bin/cat": 0o755, "etc/shadow": 0o640},
        links={"usr/local/bin/python": f"python{python}"},
    )


@dataclass
class Wheels:
    """A folder of wheels that serves as package index."""

    folder: Path

    def add(
        self,
        name: str,
        version: str,
        *requires: str,
        tag: str = "py3-none-any",
        python: str = "",
        modules: Mapping[str, str] | None = None,
    ) -> str:
        """Add a wheel; returns its line for a lock file.

        Args:
            name: the package, and the module that it has.
            version: its version.
            requires: what it needs.
            tag: the systems that it is made for.
            python: the versions of Python that it accepts.
            modules: more files, by path.
        """
        info = f"{name}-{version}.dist-info"
        files = {
            f"{name}/__init__.py": f"VERSION = {version!r}\n",
            **(modules or {}),
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            + "".join(f"Requires-Dist: {one}\n" for one in requires)
            + (f"Requires-Python: {python}\n" if python else ""),
            f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
            f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
        }
        record = "".join(f"{record_of(path, text.encode())}\n" for path, text in files.items())
        files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
        path = self.folder / f"{name}-{version}-{tag}.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for inner, text in files.items():
                archive.writestr(zipfile.ZipInfo(inner), text)
        return f"{name}=={version} --hash={digest_of(path.read_bytes())}\n"

    def index(self) -> str:
        """The address of a package index with the wheels."""
        simple = self.folder / "simple"
        for wheel in self.folder.glob("*.whl"):
            name = wheel.name.split("-")[0].replace("_", "-")
            page = simple / name / "index.html"
            page.parent.mkdir(parents=True, exist_ok=True)
            link = f'<a href="{wheel.as_uri()}">{wheel.name}</a>\n'
            page.write_text((page.read_text() if page.exists() else "") + link)
        return simple.as_uri()

    def add_source_only(self, name: str, version: str) -> None:
        with tarfile.open(self.folder / f"{name}-{version}.tar.gz", "w:gz") as tar:
            for inner, text in (
                ("PKG-INFO", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"),
                ("setup.py", f"from setuptools import setup\nsetup(name={name!r})\n"),
            ):
                info = tarfile.TarInfo(f"{name}-{version}/{inner}")
                info.size = len(text)
                tar.addfile(info, io.BytesIO(text.encode()))


def record_of(path: str, content: bytes) -> str:
    """A line of a package's RECORD."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{path},sha256={digest},{len(content)}"
