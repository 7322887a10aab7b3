"""StartBuild, BatchGetBuilds and StopBuild: a build runs, and ends as its commands do.

How many builds the account may run at once says `codebuild.json` in the state folder, by default
any number: {"concurrentBuilds": 0} is what some new accounts have. It is read at each call.

ministack 1.5.33 answers that a build has succeeded before it starts.
"""

import contextvars
import copy
import json
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import codebuild

from embedded_aws.codebuild import execution, projects
from embedded_aws.settings import Settings

FILE = "codebuild.json"
_TOKEN_SECONDS = 5 * 60
_FINAL_PHASE = "COMPLETED"

Data = dict[str, Any]


@dataclass(frozen=True)
class _Token:
    """A request that must not start a second build."""

    request: str
    build: str
    began: float


_tokens: dict[tuple[str, str], _Token] = {}
_lock = threading.Lock()


def install(settings: Settings) -> None:
    file = settings.state_dir / FILE
    file.unlink(missing_ok=True)

    def start(data: Data) -> Any:
        with _lock:
            return _start(settings, file, data)

    def stop(data: Data) -> Any:
        build = codebuild._builds.get(data.get("id", ""))
        if build is None:
            return _not_found(f"Build cannot be found: {data.get('id', '')}")
        execution.stop(build["id"])
        return json_response({"build": _shown(build)})

    def find(data: Data) -> Any:
        known = {one: codebuild._builds.get(one) for one in data.get("ids") or []}
        return json_response(
            {
                "builds": [_shown(build) for build in known.values() if build],
                "buildsNotFound": [one for one, build in known.items() if not build],
            }
        )

    codebuild._start_build = start
    codebuild._stop_build = stop
    codebuild._batch_get_builds = find


def _start(settings: Settings, file: Path, data: Data) -> Any:
    name = str(data.get("projectName", ""))
    project = codebuild._projects.get(name)
    if project is None:
        return _not_found(f"Project cannot be found: {projects.project_arn(name)}")
    token = str(data.get("idempotencyToken") or "")
    request = json.dumps(data, sort_keys=True)
    known = _tokens.get((name, token)) if token else None
    if known and time.monotonic() - known.began < _TOKEN_SECONDS:
        if known.request != request:
            return _refused(f"The idempotency token {token} was already used with other parameters")
        if known.build in codebuild._builds:
            return json_response({"build": _shown(codebuild._builds[known.build])})
    if refusal := projects.refusal_of_role(project["serviceRole"], name):
        return _refused(refusal)
    most = _concurrent_builds(file)
    running = [one for one in codebuild._builds.values() if one["buildStatus"] == "IN_PROGRESS"]
    if most is not None and len(running) >= most:
        return error_response_json(
            "AccountLimitExceededException",
            f"Cannot have more than {most} builds in queue for the account",
            400,
        )
    build = _record(project, data)
    codebuild._builds[build["id"]] = build
    if token:
        _tokens[name, token] = _Token(request, build["id"], time.monotonic())
    # The stores are those of the request's account and region.
    context = contextvars.copy_context()
    run = execution.prepare(settings, copy.deepcopy(project), build)
    threading.Thread(target=context.run, args=(run,), daemon=True).start()
    return json_response({"build": _shown(build)})


def _record(project: Data, data: Data) -> Data:
    number = 1 + sum(one["projectName"] == project["name"] for one in codebuild._builds.values())
    unique = str(uuid.uuid4())
    build_id = f"{project['name']}:{unique}"
    environment = copy.deepcopy(project["environment"])
    variables = {one["name"]: one for one in environment.get("environmentVariables") or []}
    for one in data.get("environmentVariablesOverride") or []:
        variables[one["name"]] = {"type": "PLAINTEXT", **one}
    environment["environmentVariables"] = list(variables.values())
    logs = (project.get("logsConfig") or {}).get("cloudWatchLogs") or {}
    prefix = f"{logs['streamName']}/" if logs.get("streamName") else ""
    return {
        "id": build_id,
        "arn": codebuild._build_arn(build_id),
        "buildNumber": number,
        "startTime": time.time(),
        "currentPhase": "SUBMITTED",
        "buildStatus": "IN_PROGRESS",
        "buildComplete": False,
        "projectName": project["name"],
        "phases": [],
        "source": project["source"],
        "artifacts": {},
        "environment": environment,
        "serviceRole": project["serviceRole"],
        "logs": {
            "groupName": logs.get("groupName") or f"/aws/codebuild/{project['name']}",
            "streamName": f"{prefix}{unique}",
        },
        "timeoutInMinutes": project["timeoutInMinutes"],
        "queuedTimeoutInMinutes": project.get("queuedTimeoutInMinutes", 480),
        "initiator": "embedded-aws",
        "encryptionKey": project.get("encryptionKey", ""),
    }


def _concurrent_builds(file: Path) -> int | None:
    try:
        found = json.loads(file.read_text()).get("concurrentBuilds")
    except FileNotFoundError:
        return None
    return None if found is None else int(found)


def _shown(build: Data) -> Data:
    return copy.deepcopy(build)


def _not_found(message: str) -> Any:
    return error_response_json("ResourceNotFoundException", message, 400)


def _refused(message: str) -> Any:
    return error_response_json("InvalidInputException", message, 400)
