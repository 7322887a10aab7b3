"""`make up`: from an empty machine to DAG runs in state success."""

import json
import signal
from types import FrameType

from commands import deployment, emulator, smoke
from commands.container_image import build as container_image
from commands.steps import Steps
from commands.workspace import CommandError, Workspace, stack_name


def up(workspace: Workspace) -> None:
    """Deploy, run the smoke DAGs, print the addresses. Can be repeated while everything runs.

    Raises:
        CommandError: a step failed; what this call had started is ended.
    """
    steps = Steps()
    # SIGINT too: it is ignored in processes that a shell starts in the background.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    started_here = not emulator.is_running(workspace)
    try:
        if emulator.runtime(workspace) == "podman":
            container_image.check_runtime()
        if started_here:
            with steps.step("Start the embedded AWS", "its first answer"):
                emulator.start(workspace)
        _deploy(workspace, steps)
        _run(workspace, steps)
    except BaseException as error:
        if started_here:
            print("\nStopping what was started …", flush=True)
            emulator.end(workspace)
        if isinstance(error, KeyboardInterrupt):
            raise CommandError(
                f"Interrupted; nothing is left running. `{workspace.make('up')}` starts again."
            ) from None
        if isinstance(error, CommandError):
            raise CommandError(f"{error}\n\nLogs: {workspace.state_dir}") from None
        raise
    steps.summary()
    print(what_next(workspace, deployment.outputs(workspace)))


def _deploy(workspace: Workspace, steps: Steps) -> None:
    """Build and deploy, unless the deployed stack has the same sources."""
    stamp = workspace.state_dir / "deployed"
    fingerprint = json.dumps([deployment.source_fingerprint(), workspace.endpoint])
    deployed = stamp.read_text() if stamp.exists() else ""
    if deployed == fingerprint and deployment.stack_status(workspace) in deployment.FINISHED:
        with steps.step(f"The stack {stack_name()} is already deployed from these sources"):
            return
    stamp.unlink(missing_ok=True)
    with steps.step("sam build", "SAM to build the functions"):
        deployment.build(workspace)
    with steps.step(f"sam deploy ({stack_name()})", "SAM to upload the templates"):
        deployment.deploy(workspace, steps)
    stamp.write_text(fingerprint)


def _run(workspace: Workspace, steps: Steps) -> None:
    """Upload the DAGs, run the four smoke DAGs, read their logs back."""
    outputs = deployment.outputs(workspace)
    with steps.step("Wait until every component of Airflow is healthy"):
        ca_file = workspace.ca_file_for(outputs["AirflowUrl"])
        smoke.wait_healthy(outputs, ca_file=ca_file)
    with steps.step("Upload dags/ and wait until Airflow shows the release"):
        smoke.create_sample_secrets(workspace, outputs)
        changed = smoke.upload_dags(workspace, outputs)
        api = smoke.sign_in(workspace, outputs)
        release = smoke.wait_for_dags(workspace, outputs, api)
        steps.detail(f"{changed} files uploaded, release {release}")
    with steps.step("Run the smoke DAGs"):
        runs = smoke.run_dags(api, steps)
    with steps.step("Read the task logs back from the log bucket", "the API server"):
        count = smoke.read_logs_back(workspace, outputs, api, runs)
        steps.detail(f"{count} logs")


def what_next(workspace: Workspace, outputs: dict[str, str]) -> str:
    """The address of Airflow, and commands to copy that mean this stack."""
    secret = outputs["AdminPasswordSecretArn"]
    return f"""
Airflow is at {outputs["AirflowUrl"]}   (user: {outputs["AdminUsername"]})

  The password:   eval "$({workspace.make("-s env")})"; echo "$AIRFLOW_ADMIN_PASSWORD"
  as on AWS:      aws secretsmanager get-secret-value --secret-id {secret}
  Change a DAG:   edit dags/smoke_classic.py, then
                  aws s3 cp dags/smoke_classic.py s3://{outputs["DagBucketName"]}/dags/
  What runs:      {workspace.make("status")}
  Stop it all:    {workspace.make("down")}
"""


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
