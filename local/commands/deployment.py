"""Build and deploy the templates with the real SAM CLI, against the embedded AWS."""

import hashlib
import platform
import subprocess
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from commands import emulator
from commands.container_image import builder_inputs
from commands.steps import NO_ANSWER, Steps, waits_for
from commands.workspace import (
    ROOT,
    CommandError,
    Workspace,
    local_profile,
    stack_name,
    venv_python,
)

SOURCES = (
    "template.yaml",
    "samconfig.toml",
    "nested",
    "functions",
    "images/airflow",
    "local/environments/uv.lock",
)
FINISHED = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
# Not a reason: another resource failed meanwhile.
_CANCELLED = ("Resource creation cancelled", "Resource update cancelled")


def build(workspace: Workspace, root: Path = ROOT) -> None:
    """Provide the builder's base image and run `sam build`, skipped if no source has changed.

    Args:
        root: the checkout whose templates and functions are built.

    Raises:
        CommandError: with SAM's output.
    """
    builder_inputs.provide_base(workspace, emulator.runtime(workspace))
    target = _build_dir(workspace, root)
    stamp = target.with_suffix(".fingerprint")
    fingerprint = source_fingerprint(root)
    if stamp.exists() and stamp.read_text() == fingerprint and target.exists():
        return
    stamp.unlink(missing_ok=True)
    _sam(workspace, root, "build", "--build-dir", str(target))
    stamp.write_text(fingerprint)


def deploy(
    workspace: Workspace,
    steps: Steps,
    overrides: dict[str, str] | None = None,
    root: Path = ROOT,
) -> None:
    """`sam deploy` with the `local` profile, which prints nested stacks as they complete.

    Args:
        overrides: root parameters that replace the profile's.
        root: the checkout whose templates were built.

    Raises:
        CommandError: with the reasons of the resources that failed.
    """
    parameters = {**_profile_parameters(), **(overrides or {})}
    pairs = [f"{name}={quoted(value)}" for name, value in parameters.items()]
    done = threading.Event()
    begun = datetime.now(UTC)
    watcher = threading.Thread(target=_watch, args=(workspace, steps, done), daemon=True)
    watcher.start()
    try:
        _sam(
            workspace, root, "deploy",
            "--template-file", str(_build_dir(workspace, root) / "template.yaml"),
            "--parameter-overrides", *pairs,
        )  # fmt: skip
    except CommandError as error:
        reasons = failure_reasons(workspace, begun)
        raise CommandError("\n".join([str(error), *reasons])) from None
    finally:
        done.set()
        watcher.join(timeout=5)
    if stack_status(workspace) not in FINISHED:
        raise CommandError(f"The stack is {stack_status(workspace)}.")


def stack_status(workspace: Workspace) -> str:
    """The root stack's status, or an empty string if there is none."""
    try:
        stacks = workspace.client("cloudformation").describe_stacks(StackName=stack_name())
    except ClientError:
        return ""
    return str(stacks["Stacks"][0]["StackStatus"])


def outputs(workspace: Workspace) -> dict[str, str]:
    """The root stack's outputs."""
    found = workspace.client("cloudformation").describe_stacks(StackName=stack_name())["Stacks"][0]
    return {o["OutputKey"]: o["OutputValue"] for o in found.get("Outputs", [])}


def all_stacks(workspace: Workspace) -> list[dict[str, Any]]:
    """The root stack and its nested stacks that are not deleted, in order of creation."""
    pages = workspace.client("cloudformation").get_paginator("describe_stacks").paginate()
    stacks = [
        s for page in pages for s in page["Stacks"] if s["StackName"].startswith(stack_name())
    ]
    return sorted(stacks, key=lambda s: s["CreationTime"])


def failure_reasons(workspace: Workspace, since: datetime) -> list[str]:
    """Why resources failed since then, from the events of all stacks, oldest first."""
    reasons = []
    # The embedded AWS stamps events with whole seconds.
    since = since.replace(microsecond=0)
    client = workspace.client("cloudformation")
    try:
        stacks = [s["StackId"] for s in client.list_stacks()["StackSummaries"]]
    except ClientError:
        return []
    for stack in stacks:
        for event in client.describe_stack_events(StackName=stack)["StackEvents"]:
            reason = event.get("ResourceStatusReason", "")
            failed = event["ResourceStatus"].endswith("FAILED")
            if failed and reason and reason not in _CANCELLED and event["Timestamp"] >= since:
                reasons.append((event["Timestamp"], f"{event['LogicalResourceId']}: {reason}"))
    return list(dict.fromkeys(text for _, text in sorted(reasons)))[:12]


def delete(workspace: Workspace) -> set[str]:
    """Delete the stack; returns the resources that were kept, `<type> <physical id>`.

    Raises:
        CommandError: with the reasons of the resources that could not be deleted.
    """
    client = workspace.client("cloudformation")
    stack_id = client.describe_stacks(StackName=stack_name())["Stacks"][0]["StackId"]
    begun = datetime.now(UTC)
    client.delete_stack(StackName=stack_id)
    try:
        client.get_waiter("stack_delete_complete").wait(
            StackName=stack_id, WaiterConfig={"Delay": 1, "MaxAttempts": 600}
        )
    except WaiterError as error:
        raise CommandError("\n".join([str(error), *failure_reasons(workspace, begun)])) from None
    # By their ids: CloudFormation does not find deleted stacks by name.
    summaries = client.list_stacks(StackStatusFilter=["DELETE_COMPLETE"])["StackSummaries"]
    return {
        f"{event['ResourceType']} {event['PhysicalResourceId']}"
        for summary in summaries
        if stack_id in (summary["StackId"], summary.get("RootId"))
        for event in client.describe_stack_events(StackName=summary["StackId"])["StackEvents"]
        if event["ResourceStatus"] == "DELETE_SKIPPED"
    }


def source_fingerprint(root: Path = ROOT) -> str:
    """A digest of everything that `sam build` reads, but for the commit."""
    sha = hashlib.sha256()
    for name in SOURCES:
        path = root / name
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                sha.update(str(file.relative_to(root)).encode())
                sha.update(file.read_bytes())
    return sha.hexdigest()


def _build_dir(workspace: Workspace, root: Path) -> Path:
    name = "build" if root == ROOT else f"build-{root.name}"
    return workspace.state_dir / name


def _profile_parameters() -> dict[str, str]:
    pairs = local_profile()["parameter_overrides"]
    parameters = dict(pair.split("=", 1) for pair in pairs)
    if platform.machine() in ("x86_64", "AMD64"):
        # The packages that a user adds run on this machine.
        parameters["Options"] = "x86"
    return parameters


def quoted(value: str) -> str:
    """Quoted for SAM: it refuses an empty value, and quotes inside a value would end it."""
    if not value:
        return "''"
    return f"'{value}'" if '"' in value and not value.startswith("'") else value


def _sam(workspace: Workspace, root: Path, *arguments: str) -> None:
    """Run the SAM CLI; its output is written to a log, and its last lines to the error."""
    environment = {
        **workspace.environment(),
        "SAM_CLI_TELEMETRY": "0",
        # A busy machine answers late.
        "AWS_MAX_ATTEMPTS": "10",
        "AWS_RETRY_MODE": "standard",
        "PYTHON": str(venv_python("uv")),  # the functions' Makefile needs one with pip
    }
    log = workspace.state_dir / f"sam-{arguments[0]}.log"
    with log.open("wb") as stream:
        done = subprocess.run(
            [
                venv_python("tools").parent / "sam", *arguments,
                # Given here because sam looks for it beside the template, which may be a built one.
                "--config-file", root / "samconfig.toml", "--config-env", "local",
            ],
            cwd=root, env=environment, stdout=stream, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    if done.returncode:
        tail = "\n".join(log.read_text(errors="replace").strip().splitlines()[-12:])
        raise CommandError(f"sam {arguments[0]} failed (complete output in {log}):\n{tail}")


def _watch(workspace: Workspace, steps: Steps, done: threading.Event) -> None:
    """Print each nested stack when it reaches a new final status; say which are in progress."""
    client = workspace.client("cloudformation")
    seen: set[str] = set()
    try:
        known = client.describe_stack_events(StackName=stack_name())["StackEvents"]
        seen = {event["EventId"] for event in known}
    except (ClientError, *NO_ANSWER):
        pass
    running: dict[str, str] = {}
    while not done.wait(0.5):
        try:
            events = client.describe_stack_events(StackName=stack_name())["StackEvents"]
        except Exception:  # noqa: S112 - sam itself reports errors
            continue
        for event in reversed(events):
            fresh = event["EventId"] not in seen
            seen.add(event["EventId"])
            is_nested = event["ResourceType"] == "AWS::CloudFormation::Stack"
            if not fresh or not is_nested:
                continue
            name, status = event["LogicalResourceId"], event["ResourceStatus"]
            if status.endswith("IN_PROGRESS"):
                if name != stack_name():
                    running[name] = status
            else:
                running.pop(name, None)
                steps.detail(f"{name:<18} {status}")
        if running:
            waits_for(", ".join(f"{name} ({status})" for name, status in running.items()))
