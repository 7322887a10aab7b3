"""What the publisher would say about the folder: its own code, in a process of its own."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from check_dags.archive import write_archive
from check_dags.findings import CheckResult, Finding, Level
from check_dags.project import ProgramError, Project, functions_folder, inside, run_program

_SECONDS = 300.0


def check_release(
    project: Project, queues: tuple[str, ...], isolated: tuple[str, ...], dag_releases: str
) -> CheckResult:
    """An error for each file that would stay out of a release, and the publisher's warnings."""
    answer = _examine(project, queues, isolated, dag_releases)
    findings = []
    said = set()
    for kind, level in (("problems", Level.ERROR), ("warnings", Level.WARNING)):
        for each in answer[kind]:
            path = project.shown(each["path"]) if each["path"] else ""
            if (path, each["line"]) not in said:
                findings.append(
                    Finding(f"release-{kind[:-1]}", each["reason"], path, each["line"], level)
                )
            if level is Level.ERROR:
                said.add((path, each["line"]))
    content = answer.get("content", "")
    summary = f"{answer['files']} files, content {content[:10]}" if content else ""
    return CheckResult("release", summary, findings)


def _examine(
    project: Project, queues: tuple[str, ...], isolated: tuple[str, ...], dag_releases: str
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="check-dags-") as name:
        home = Path(name).resolve()
        archive, result = home / "release.zip", home / "release.json"
        write_archive(project.folder, archive)
        environment = project.environment(home)
        paths = [str(functions_folder()), environment["PYTHONPATH"]]
        environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
        request = {
            "zip": str(archive),
            "queues": queues,
            "isolated_queues": isolated,
            "dag_releases": dag_releases,
            "result": str(result),
        }
        command = [project.python, inside("examine_release")]
        done = run_program(command, _SECONDS, environment, home, json.dumps(request))
        if done.status or not result.exists():
            raise ProgramError(f"The publisher's checks failed:\n{done.output}")
        answer: dict[str, Any] = json.loads(result.read_text())
        return answer
