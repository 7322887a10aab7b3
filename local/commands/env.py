"""`make env`: shell exports for AWS clients and users of this machine's stack."""

import re
import shlex

from commands import deployment, emulator
from commands.workspace import CommandError, Workspace


def env(workspace: Workspace) -> None:
    """Print `export NAME=value` lines: endpoint, credentials, stack outputs, password.

    The name of an output is written in capitals: DagBucketName becomes DAG_BUCKET_NAME.

    Raises:
        CommandError: no stack is deployed.
    """
    if not emulator.is_running(workspace) or not deployment.stack_status(workspace):
        raise CommandError("No stack is deployed: run `make up` first.")
    outputs = deployment.outputs(workspace)
    password = workspace.client("secretsmanager").get_secret_value(
        SecretId=outputs["AdminPasswordSecretArn"]
    )["SecretString"]
    exports = {
        **workspace.aws_environment(),
        **{variable_name(name): value for name, value in outputs.items()},
        "AIRFLOW_ADMIN_PASSWORD": password,
    }
    for name, value in exports.items():
        print(f"export {name}={shlex.quote(value)}")


def variable_name(output: str) -> str:
    """The environment variable of an output: AirflowUrl → AIRFLOW_URL."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", output).upper()
