"""The function builds the image of the real lock file for both processors.

Each wheel of the lock file is downloaded, checked and compiled, as on Lambda, on whatever processor
this machine has. Only the base image is a few files, and ECR a folder. The times and sizes are
printed. Long: it installs every package four times.
"""

import json
import os
import re
import resource
import shutil
import struct
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from image_parts import PYTHON, UV
from oci_folder import OciFolder, small_base
from packaging.markers import Marker

from build_image.budget import Budget
from build_image.builder import Builder, BuiltImage
from build_image.checks.requirements_file import lines, normalized
from build_image.model import ARCHITECTURES
from build_image.source import Source
from build_image.uv import Uv
from commands.workspace import ROOT

pytestmark = pytest.mark.skipif(sys.version_info[:2] != (3, 13), reason="the image has Python 3.13")

# The field e_machine of ELF.
MACHINES = {"arm64": 183, "x86_64": 62}
PLATFORM = {"arm64": "aarch64", "x86_64": "x86_64"}
SITE_PACKAGES = f"opt/venv/lib/python{PYTHON}/site-packages"
_MARKER = re.compile(r";\s*(.*?)\s*(--hash|$)")
_REPORT = ROOT / "build" / "image-builds.json"


@dataclass
class Site:
    """A source, and what the builder made of it for a processor."""

    architecture: str
    folder: Path
    repository: OciFolder
    measured: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def source(self) -> Path:
        return self.folder / "source"

    def build(self, what: str) -> BuiltImage:
        """Build, and note what it took."""
        own = ("UV_", "SSL_CERT_")
        settings = {name: value for name, value in os.environ.items() if name.startswith(own)}
        work = self.folder / "work"
        before, begun, uploaded = cpu_seconds(), time.monotonic(), self.repository.uploaded
        built = Builder(
            source=Source(self.source, self.architecture),
            repository=self.repository,
            base_images=small_base(self.folder / "base", self.architecture),
            packages=Uv(UV, self.architecture, work, settings),
            folder=work,
            budget=Budget(lambda: 3600),
        ).build()
        self.measured[what] = {
            "seconds": round(time.monotonic() - begun, 1),
            "cpuSeconds": round(cpu_seconds() - before, 1),
            "uploadedMegabytes": round((self.repository.uploaded - uploaded) / 1e6, 3),
        }
        return built


def cpu_seconds() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


@pytest.fixture(scope="module", params=list(ARCHITECTURES))
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp(request.param)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "images" / "airflow", folder / "source", ignore=ignored)
    shutil.rmtree(folder / "source" / "user")
    (folder / "source" / "labels.json").write_text("{}")
    made = Site(request.param, folder, OciFolder(folder / "result"))
    yield made
    _REPORT.parent.mkdir(exist_ok=True)
    known = json.loads(_REPORT.read_text()) if _REPORT.exists() else {}
    _REPORT.write_text(json.dumps({**known, made.architecture: made.measured}, indent=2))
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def first(site: Site) -> BuiltImage:
    return site.build("first build")


def locked(site: Site) -> dict[str, str]:
    """The packages of the lock file for this Python and the site's processor."""
    environment = {
        "platform_machine": PLATFORM[site.architecture],
        "platform_system": "Linux",
        "sys_platform": "linux",
    }
    found = {}
    for line in lines((site.source / "requirements.lock").read_text()):
        marker = _MARKER.search(line.text)
        if marker is None or Marker(marker[1]).evaluate(environment):
            version = re.search(r"==([^\s;]+)", line.text)
            assert version, line.text
            found[normalized(line.name)] = version[1]
    return found


def test_every_package_of_the_lock_file_is_in_the_image(site: Site, first: BuiltImage) -> None:
    installed = {}
    for layer in site.repository.layers(first.digest):
        with tarfile.open(layer) as tar:
            for name in tar.getnames():
                folder, _, file = name.removeprefix(f"{SITE_PACKAGES}/").partition("/")
                if folder.endswith(".dist-info") and file == "METADATA":
                    package, _, version = Path(folder).stem.rpartition("-")
                    installed[normalized(package)] = version

    assert len(installed) > 150
    assert installed == locked(site)


def test_every_compiled_module_and_program_is_for_the_processor(
    site: Site, first: BuiltImage
) -> None:
    machines: dict[str, int] = {}
    for layer in site.repository.layers(first.digest):
        with tarfile.open(layer) as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isreg() else None
                head = content.read(20) if content else b""
                if head.startswith(b"\x7fELF"):
                    (machines[member.name],) = struct.unpack("<H", head[18:20])

    others = {name for name, one in machines.items() if one != MACHINES[site.architecture]}
    assert others == set()
    assert len([name for name in machines if ".so" in name]) > 100


def test_configuration_names_the_processor(site: Site, first: BuiltImage) -> None:
    config = site.repository.config(first.digest)

    assert config["architecture"] == ARCHITECTURES[site.architecture]


def test_change_uploads_what_it_changed(
    site: Site, first: BuiltImage, capsys: pytest.CaptureFixture[str]
) -> None:
    assert set(first.made) == {"base", "packages", "code"}
    assert dict(site.build("nothing").made) == {}

    (site.source / "src" / "airflow_on_fargate" / "more.py").write_text("CHANGED = True\n")
    assert set(site.build("our code").made) == {"code"}

    plugins = site.source / "user" / "plugins"
    plugins.mkdir(parents=True)
    (plugins / "own.py").write_text("from airflow.plugins_manager import AirflowPlugin\n")
    assert set(site.build("a plugin").made) == {"user"}

    requirements = site.source / "user" / "requirements.txt"
    requirements.write_text("apache-airflow-providers-slack\n")
    assert set(site.build("a package of the user").made) == {"user"}

    # One package less. Nothing runs this image.
    lock = site.source / "requirements.lock"
    kept = [line.text for line in lines(lock.read_text()) if line.name != "zipp"]
    lock.write_text("".join(f"{text}\n" for text in kept))
    assert set(site.build("the lock file").made) == {"packages", "user"}

    with capsys.disabled():
        print(f"\n{site.architecture}: seconds, seconds of CPU, megabytes uploaded")
        for what, one in site.measured.items():
            seconds, cpu, megabytes = one.values()
            print(f"  {what:<24} {seconds:>7.1f} {cpu:>7.1f} {megabytes:>9.3f}")
    for what in ("nothing", "our code", "a plugin", "a package of the user"):
        assert site.measured[what]["uploadedMegabytes"] < 5, what
