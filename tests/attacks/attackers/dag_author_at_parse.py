"""Code in a DAG file that the dag-processor runs."""

from tests.attacks.attempt import Attacker, refused, succeeds

ROLES = "tests/attacks/test_roles_of_code.py"
COMPONENTS = "tests/templates/test_components.py"

ATTACKER = Attacker(
    name="DAG author at parse",
    has="a DAG file whose code the dag-processor runs",
    attempts=(
        succeeds(
            "read the Fernet key and the URL of the metadata database",
            f"{COMPONENTS}::test_secrets_are_only_those_that_the_component_needs[dag-processor-expected2]",
            "DAG files are run by the dag-processor, which has the Fernet key",
        ),
        succeeds(
            "have the scheduler run code, with a pickle in the metadata database",
            "tests/unit/image/database/test_pickled_values.py"
            "::test_limit_value_in_the_metadata_database_runs_code_in_who_reads_it",
            "Airflow keeps pickled values there",
        ),
        refused(
            "read another secret of the stack, such as the key of tokens or the master password",
            f"{ROLES}::test_no_secret_of_the_stack_is_read",
            "read the master user's password",
        ),
        refused(
            "administer the database server as Airflow's user",
            "tests/integration/image/test_database_users.py::test_user_of_airflow_cannot_administer_the_server",
            "can create neither users nor databases",
        ),
        refused(
            "leave a function in the database that the master user calls",
            "tests/integration/image/test_database_users.py::test_function_of_airflow_does_not_run_as_the_master_user",
        ),
        refused(
            "read the connections of another stack",
            f"{ROLES}::test_connection_of_another_stack_is_not_read",
            "read another stack's connections",
        ),
        refused(
            "publish a release or replace one",
            f"{ROLES}::test_release_is_not_written",
            "publish a release or replace one",
        ),
        refused(
            "answer CloudFormation in place of a deployment",
            f"{ROLES}::test_response_url_of_a_deployment_is_not_read",
            "read CloudFormation's response URLs",
        ),
        refused(
            "run a command with the roles of commands",
            f"{ROLES}::test_command_is_not_run",
            "run commands",
        ),
        refused(
            "extend its permissions",
            f"{ROLES}::test_permissions_are_not_extended",
            "extend its permissions",
        ),
        refused(
            "take the messages of tasks",
            f"{ROLES}::test_parsing_takes_no_message",
        ),
        succeeds(
            "queue a task, in class `micro`; refused in the others",
            f"{ROLES}::test_parsing_queues_a_task_only_in_the_compact_control_plane",
            "so code in a DAG file can queue tasks while it is parsed",
        ),
        succeeds(
            "forge the report of releases that runs need",
            f"{ROLES}::test_limit_parsing_forges_the_report_of_releases_in_use",
            "A DAG file can forge it",
        ),
        refused(
            "end the parser, so that its error is not seen",
            "tests/unit/image/patches/test_parse_failures.py::test_exit_in_the_parse_process_is_an_import_error",
        ),
        refused(
            "return what cannot be sent, and hide the file's error",
            "tests/unit/image/patches/test_parse_failures.py::test_result_that_cannot_be_sent_is_an_import_error",
        ),
    ),
)
