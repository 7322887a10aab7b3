"""`make up`: from an empty machine to DAG runs in state success.

What does not need the result of another step runs beside it: SAM builds the functions while the
embedded AWS starts, and the DAG files are released while the database and the services are made.
One DAG runs first and alone, so that its success comes as early as possible.
"""

import json
import signal
from types import FrameType

from botocore.exceptions import ClientError

from commands import deployment, emulator, smoke
from commands.container_image import build as container_image
from commands.steps import NO_ANSWER, Steps
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
    build: deployment.Build | None = None
    try:
        if emulator.runtime(workspace) == "podman":
            container_image.check_runtime()
        if started_here:
            with steps.step("Start the embedded AWS", "its first answer"):
                process = emulator.launch(workspace)
                build = deployment.Build(workspace)
                emulator.wait_until_it_serves(workspace, process)
        _deploy(workspace, steps, build)
        _run(workspace, steps)
    except BaseException as error:
        if build is not None:
            build.stop()
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


def _deploy(workspace: Workspace, steps: Steps, build: deployment.Build | None) -> None:
    """Build and deploy, unless the deployed stack has the same sources."""
    stamp = workspace.state_dir / "deployed"
    fingerprint = json.dumps([deployment.source_fingerprint(), workspace.endpoint])
    deployed = stamp.read_text() if stamp.exists() else ""
    status = deployment.stack_status(workspace)
    if deployed == fingerprint and status in deployment.FINISHED:
        with steps.step(f"The stack {stack_name()} is already deployed from these sources"):
            return
    stamp.unlink(missing_ok=True)
    with steps.step("sam build", "SAM to build the functions"):
        deployment.provide_base(workspace)
        (build or deployment.Build(workspace)).wait()
    with steps.step(f"sam deploy ({stack_name()})", "SAM to upload the templates"):
        # Not before an update: files may need what it brings.
        early = {} if status else {"DeliveryStack": lambda: _upload_early(workspace, steps)}
        deployment.deploy(workspace, steps, when_complete=early)
    stamp.write_text(fingerprint)


def _upload_early(workspace: Workspace, steps: Steps) -> None:
    """Upload the DAGs as soon as the stack that releases them exists.

    What fails here is done in the step that waits for the release.
    """
    try:
        count = smoke.upload_dags(workspace, deployment.nested_outputs(workspace, "StorageStack"))
    except (ClientError, *NO_ANSWER) as error:
        steps.detail(f"dags/ is uploaded later ({type(error).__name__})")
    else:
        steps.detail(f"{count} files uploaded from dags/")


def _run(workspace: Workspace, steps: Steps) -> None:
    """Wait for the release of dags/, run the smoke DAGs, read their logs back."""
    outputs = deployment.outputs(workspace)
    with steps.step("Wait until every component of Airflow is healthy"):
        ca_file = workspace.ca_file_for(outputs["AirflowUrl"])
        smoke.wait_healthy(outputs, ca_file=ca_file)
    steps.reached(f"Airflow is at {outputs['AirflowUrl']}")
    with steps.step("Wait until Airflow shows the release of dags/"):
        changed = smoke.upload_dags(workspace, outputs)
        api = smoke.sign_in(workspace, outputs)
        release = smoke.wait_for_dags(workspace, outputs, api, (smoke.FIRST_DAG,))
        if changed:
            steps.detail(f"{changed} files uploaded from dags/")
        steps.detail(f"release {release}")
    with steps.step(f"Run {smoke.FIRST_DAG}"):
        runs = smoke.run_dags(api, steps, (smoke.FIRST_DAG,))
    steps.reached(f"First success of a DAG run ({smoke.FIRST_DAG})")
    with steps.step("Run the other smoke DAGs"):
        smoke.create_sample_secrets(workspace, outputs)
        smoke.wait_for_dags(workspace, outputs, api)
        runs |= smoke.run_dags(api, steps, smoke.OTHER_DAGS)
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
