"""A build runs as a process of this machine: the commands of its buildspec, phase by phase.

It has the credentials of the project's role, and the programs `aws` and `docker` of
`embedded_aws.codebuild.programs` in front of this machine's own. On AWS it is a container of an
image that has them.
"""

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml
from ministack.core.responses import get_region
from ministack.services import cloudwatch_logs, codebuild

from embedded_aws import processes
from embedded_aws.authorization import engine, record, sessions
from embedded_aws.authorization.requests import logs
from embedded_aws.codebuild.programs import docker
from embedded_aws.limits.tables.builds import buildspec_problems
from embedded_aws.settings import ACCOUNT_ID, Settings

Data = dict[str, Any]

_PHASES = ("install", "pre_build", "build", "post_build")
_FOLDER = "codebuild"
_POLL_SECONDS = 0.1
_STOP_SECONDS = 5.0
_PROGRAMS = ("aws", "docker")
# Written by the script of a build; the log is for people.
_PROLOGUE = r"""
exec 3>> {status}
say() {{ printf '[Container] %s %s\n' "$(date '+%Y/%m/%d %H:%M:%S')" "$*"; }}
"""
_BEGIN = r"""
if [ "${{failed_before:-}}" != PRE_BUILD ] && [ "${{failed_before:-}}" != INSTALL ]; then
say 'Entering phase {phase}'; printf 'begin {phase}\n' >&3; phase_status=0
"""
_COMMAND = r"""
if [ "$phase_status" = 0 ]; then
say {shown}
{command}
phase_status=$?
if [ "$phase_status" != 0 ]; then
say "Command did not execute successfully, exit status $phase_status"
printf 'fail {phase} %s %s\n' "$phase_status" {quoted} >&3; failed_before={phase}
fi
fi
"""
_END = r"""
if [ "$phase_status" = 0 ]; then
printf 'end {phase}\n' >&3; say 'Phase complete: {phase} State: SUCCEEDED'
else say 'Phase complete: {phase} State: FAILED'; fi
fi
"""


class _Ended(Exception):
    """The build has ended before its commands could run."""


_stopped: set[str] = set()
_running: dict[str, processes.ManagedProcess] = {}
_lock = threading.Lock()


def prepare(settings: Settings, project: Data, build: Data) -> Callable[[], None]:
    """What runs the build; to be called in a thread of its own."""

    def run() -> None:
        try:
            _run(settings, project, build)
        except _Ended:
            pass
        except Exception as error:
            _fail(build, build["currentPhase"], "FAULT", "INTERNAL_ERROR", str(error))
            raise
        finally:
            with _lock:
                _running.pop(build["id"], None)
                _stopped.discard(build["id"])

    return run


def stop(build_id: str) -> None:
    """End a build. One that has ended stays as it is."""
    build = codebuild._builds[build_id]
    with _lock:
        if build["buildStatus"] != "IN_PROGRESS":
            return
        _stopped.add(build_id)
        process = _running.get(build_id)
    if process:
        process.stop(_STOP_SECONDS)
    _end(build, "STOPPED", build["currentPhase"])


def _run(settings: Settings, project: Data, build: Data) -> None:
    log = _Log(build)
    _phase(build, "SUBMITTED")
    if denied := log.refusal():
        _fail(build, "SUBMITTED", "FAILED", "ACCESS_DENIED", denied)
        return
    for phase in ("QUEUED", "PROVISIONING"):
        _phase(build, phase)
    log.open()
    _phase(build, "DOWNLOAD_SOURCE")
    spec = str((build["source"] or {}).get("buildspec") or "")
    if problems := list(buildspec_problems(spec)):
        log.write([f"[Container] YAML_FILE_ERROR Message: {problems[0]}"])
        _fail(build, "DOWNLOAD_SOURCE", "FAILED", "YAML_FILE_ERROR", problems[0])
        return
    folder = settings.state_dir / _FOLDER / build["id"].replace(":", "-")
    shutil.rmtree(folder, ignore_errors=True)
    source = folder / "src"
    source.mkdir(parents=True)
    document = yaml.safe_load(spec)
    script = folder / "build.sh"
    script.write_text("".join(_script(document, folder / "status")))
    shell = str((document.get("env") or {}).get("shell", "sh")).rpartition("/")[2]
    output = folder / "output"
    output.touch()
    process = processes.registry().start(
        [shutil.which(shell) or shell, str(script)],
        name=f"build {build['id']}",
        env=_environment(settings, build, folder, document),
        cwd=source,
        log_file=output,
    )
    with _lock:
        _running[build["id"]] = process
        is_stopped = build["id"] in _stopped
    if is_stopped:
        process.stop(_STOP_SECONDS)
    deadline = time.monotonic() + 60 * int(build["timeoutInMinutes"])
    timed_out = False
    with output.open(encoding="utf-8", errors="replace") as lines:
        while process.is_running:
            log.write(lines.readlines())
            _follow(build, folder / "status")
            if time.monotonic() > deadline:
                timed_out = True
                process.stop(_STOP_SECONDS)
            time.sleep(_POLL_SECONDS)
        log.write(lines.readlines())
    if build["id"] not in _stopped:
        _conclude(build, folder / "status", process.exit_code or 0, timed_out)
    with contextlib.suppress(subprocess.TimeoutExpired):
        docker.remove_images(build["id"], folder / "docker")
    shutil.rmtree(folder, ignore_errors=True)


def _script(document: Data, status: Path) -> Iterator[str]:
    yield _PROLOGUE.format(status=shlex.quote(str(status)))
    phases = document.get("phases") or {}
    for name in _PHASES:
        if name not in phases:
            continue
        phase = name.upper()
        yield _BEGIN.format(phase=phase)
        for command in phases[name]["commands"]:
            yield _COMMAND.format(
                phase=phase,
                shown=shlex.quote(f"Running command {command}"),
                command=command,
                quoted=shlex.quote(command),
            )
        yield _END.format(phase=phase)


def _environment(settings: Settings, build: Data, folder: Path, document: Data) -> dict[str, str]:
    programs = _programs(settings)
    declared = {
        str(name): str(value)
        for name, value in ((document.get("env") or {}).get("variables") or {}).items()
    }
    given = {one["name"]: one["value"] for one in build["environment"]["environmentVariables"]}
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in ("HOME", "TMPDIR") or name.startswith(("XDG_", "CONTAINERS_"))
    }
    session = f"AWSCodeBuild-{build['id'].rpartition(':')[2]}"
    return {
        **kept,
        "PATH": f"{programs}:{os.environ.get('PATH', os.defpath)}",
        "LANG": "C.UTF-8",
        "DOCKER_CONFIG": str(folder / "docker"),
        "AWS_REGION": get_region(),
        "AWS_DEFAULT_REGION": get_region(),
        "AWS_ENDPOINT_URL": settings.endpoint_url,
        "CODEBUILD_BUILD_ID": build["id"],
        "CODEBUILD_BUILD_ARN": build["arn"],
        "CODEBUILD_BUILD_NUMBER": str(build["buildNumber"]),
        "CODEBUILD_SRC_DIR": str(folder / "src"),
        **declared,
        **given,
        **sessions.credentials_of(build["serviceRole"], session),
    }


def _programs(settings: Settings) -> Path:
    """The folder with the programs that a build finds first."""
    folder = settings.state_dir / _FOLDER / "programs"
    folder.mkdir(parents=True, exist_ok=True)
    packages = Path(__file__).parents[2]
    for name in _PROGRAMS:
        words = shlex.join([sys.executable, "-m", f"embedded_aws.codebuild.programs.{name}"])
        program = folder / name
        if not program.exists():
            program.write_text(
                f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(packages))} exec {words} "$@"\n'
            )
            program.chmod(0o755)
    return folder


def _follow(build: Data, status: Path) -> list[list[str]]:
    """Enter the phases that the script has begun; returns what it has written."""
    written = status.read_text().splitlines() if status.exists() else []
    found = [line.split(" ", 3) for line in written]
    for word, phase, *_rest in found:
        if word == "begin" and phase not in [one["phaseType"] for one in build["phases"]]:
            _phase(build, phase)
        if word == "end":
            _close(build, phase, "SUCCEEDED")
    return found


def _conclude(build: Data, status: Path, exit_code: int, timed_out: bool) -> None:
    written = _follow(build, status)
    if timed_out:
        _fail(build, build["currentPhase"], "TIMED_OUT", "BUILD_TIMED_OUT", "Build has timed out. ")
        return
    failures = [line for line in written if line[0] == "fail"]
    begun = [phase for word, phase, *_ in written if word == "begin"]
    ended = {phase for word, phase, *_ in written if word in ("end", "fail")}
    for phase in begun:
        if phase not in ended:  # a command has ended the shell
            failures.append(["fail", phase, str(exit_code), "exit"])
    for _word, phase, code, command in failures:
        message = f"Error while executing command: {command}. Reason: exit status {code}"
        context = {"statusCode": "COMMAND_EXECUTION_ERROR", "message": message}
        _close(build, phase, "FAILED", context)
    _end(build, "FAILED" if failures else "SUCCEEDED")


def _phase(build: Data, name: str) -> None:
    """Begin a phase; the one before it ends, unless it ended already."""
    if build["id"] in _stopped:
        raise _Ended
    if build["phases"]:
        _close(build, build["phases"][-1]["phaseType"], "SUCCEEDED")
    build["phases"].append({"phaseType": name, "startTime": time.time()})
    build["currentPhase"] = name


def _close(build: Data, name: str, status: str, context: Data | None = None) -> None:
    for phase in build["phases"]:
        if phase["phaseType"] == name and ("endTime" not in phase or context):
            phase |= {
                "phaseStatus": status,
                "endTime": time.time(),
                "durationInSeconds": int(time.time() - phase["startTime"]),
                "contexts": [context] if context else [],
            }


def _fail(build: Data, phase: str, status: str, code: str, message: str) -> None:
    failed = "TIMED_OUT" if status == "TIMED_OUT" else "FAILED"
    _close(build, phase, failed, {"statusCode": code, "message": message})
    _end(build, status)


def _end(build: Data, status: str, phase: str = "") -> None:
    """The last phases, and the status that the caller waits for."""
    if phase:
        _close(build, phase, status)
    elif build["phases"]:
        _close(build, build["phases"][-1]["phaseType"], "SUCCEEDED")
    build["phases"].append({"phaseType": "COMPLETED", "startTime": time.time()})
    build |= {"currentPhase": "COMPLETED", "endTime": time.time(), "buildComplete": True}
    build["buildStatus"] = status


class _Log:
    """The log stream of a build, written with the project's role."""

    def __init__(self, build: Data) -> None:
        self._group = str(build["logs"]["groupName"])
        self._stream = str(build["logs"]["streamName"])
        self._role = str(build["serviceRole"])
        self._build = build

    def refusal(self) -> str:
        """Why the role cannot write the log; empty if it can."""
        arn = logs.stream_arn(get_region(), ACCOUNT_ID, self._group, self._stream)
        actions = ["logs:CreateLogStream", "logs:PutLogEvents"]
        if self._group not in cloudwatch_logs._log_groups:
            actions.insert(0, "logs:CreateLogGroup")
        for action in actions:
            decision = engine.decide_for_role(self._role, "AWSCodeBuild", action, arn)
            if not record.is_allowed(decision):
                return (
                    f"Service role {self._role} does not allow AWS CodeBuild to create Amazon "
                    f"CloudWatch Logs log streams for build {self._build['arn']}. Error message: "
                    f"{decision.message}"
                )
        return ""

    def open(self) -> None:
        groups = cloudwatch_logs._log_groups
        if self._group not in groups:
            cloudwatch_logs._create_log_group({"logGroupName": self._group})
        cloudwatch_logs._create_log_stream(
            {"logGroupName": self._group, "logStreamName": self._stream}
        )

    def write(self, lines: list[str]) -> None:
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": line.rstrip("\n") + "\n"} for line in lines]
        if events:
            cloudwatch_logs._put_log_events(
                {
                    "logGroupName": self._group,
                    "logStreamName": self._stream,
                    "logEvents": json.loads(json.dumps(events)),
                }
            )
