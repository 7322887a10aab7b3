"""A principal of the account with AWS's ReadOnlyAccess."""

from tests.attacks.attempt import Attacker, refused, succeeds

READER = "tests/attacks/test_read_only_principal.py"

ATTACKER = Attacker(
    name="Read-only AWS principal",
    has="AWS's `ReadOnlyAccess` in the account",
    attempts=(
        refused(
            "read a secret",
            f"{READER}::test_secret_is_not_read",
        ),
        refused(
            "replace a secret",
            f"{READER}::test_secret_is_not_replaced",
        ),
        refused(
            "find a secret in task definitions",
            f"{READER}::test_task_definitions_contain_no_secret",
            "No secret value appears in a template, a parameter, an environment listing",
        ),
        refused(
            "find a secret in the settings of functions",
            f"{READER}::test_functions_contain_no_secret",
            "No secret value appears in a template, a parameter, an environment listing",
        ),
        refused(
            "find a secret in stacks: templates, parameters, outputs, events",
            f"{READER}::test_stacks_contain_no_secret",
            "No secret value appears in a template, a parameter, an environment listing",
        ),
        refused(
            "find a secret in the listings of a whole running stack",
            "tests/e2e/test_2_up.py::test_no_task_definition_or_output_contains_a_secret_value",
            "No secret value appears in a template, a parameter, an environment listing",
        ),
        refused(
            "find a password in the log of the database server",
            "tests/integration/image/test_result_backend.py::test_no_statement_contains_the_password",
        ),
        refused(
            "find a password in the answer or the log of a command",
            "tests/unit/functions/run_airflow_command/commands/test_task_outcome.py::test_hides_credentials_in_log_lines",
        ),
        refused(
            "assume a role of the stack",
            f"{READER}::test_role_of_the_stack_is_not_assumed",
            "which only the service that runs it can assume",
        ),
        refused(
            "upload a DAG or publish a release",
            f"{READER}::test_dag_is_not_uploaded",
        ),
        refused(
            "queue a task",
            f"{READER}::test_task_is_not_queued",
        ),
        refused(
            "run a command, or stop the fleet, with a function",
            f"{READER}::test_function_is_not_called",
        ),
        succeeds(
            "read the response URL of a running deployment",
            f"{READER}::test_limit_response_url_of_a_deployment_is_read",
            "can answer CloudFormation in place of a running deployment",
        ),
        succeeds(
            "read DAG files and the logs of tasks",
            f"{READER}::test_limit_dag_files_and_task_logs_are_read",
            "It reads DAG files and the logs of tasks, too",
        ),
        succeeds(
            "read the workload of a task of the ECS executor, until the task has read it",
            "tests/templates/test_attacks.py::test_limit_reader_of_the_state_bucket_reads_workloads",
            "reads the workload of a task of the ECS executor",
        ),
        succeeds(
            "receive a task's message, and hide it from workers",
            f"{READER}::test_limit_message_of_a_task_is_received",
            "can read it, hide the task from workers for hours",
        ),
    ),
)
