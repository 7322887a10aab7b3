"""`make env`: shell exports for AWS clients and users of this machine's stack."""

import re
import shlex

from commands import deployment
from commands.stacks import own_stack
from commands.workspace import Workspace


def env(workspace: Workspace) -> None:
    """Print `export NAME=value` lines: endpoint, credentials, stack outputs, password.

    The name of an output is written in capitals: DagBucketName becomes DAG_BUCKET_NAME.

    Raises:
        CommandError: this workspace has no stack.
    """
    own_stack.require(workspace)
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
