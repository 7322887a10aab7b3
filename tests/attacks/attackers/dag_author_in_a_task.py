"""Code in a task on a worker."""

from tests.attacks.attempt import Attacker, limited, refused, succeeds

ROLES = "tests/attacks/test_roles_of_code.py"
API = "tests/integration/image/test_api_attacks.py"
RESULTS = "tests/integration/image/test_result_backend_attacks.py"
LOGS = "tests/unit/image/worker/test_live_logs.py"

ATTACKER = Attacker(
    name="DAG author in a task",
    has="a task on a worker: its token, the worker's environment and role, and the network",
    attempts=(
        refused(
            "run code in the scheduler with a pickled result",
            f"{RESULTS}::test_planted_pickle_does_not_run_in_the_scheduler",
            "The scheduler decodes nothing that a worker wrote",
        ),
        refused(
            "do so with the user of a former version",
            f"{RESULTS}::test_pickle_of_a_worker_of_the_former_version_does_not_run_in_the_scheduler",
        ),
        refused(
            "list, change or delete the results of other tasks",
            f"{RESULTS}::test_results_of_other_tasks_can_neither_be_listed_nor_changed",
            "it cannot read, change or delete rows",
        ),
        limited(
            "keep all connections of the database server",
            f"{RESULTS}::test_worker_cannot_lock_airflow_out_of_the_server",
            "it has ten connections",
        ),
        refused(
            "fill the server with temporary tables",
            f"{RESULTS}::test_worker_cannot_create_temporary_tables",
            "create anything",
        ),
        refused(
            "connect to the metadata database with the results' user",
            "tests/integration/image/test_result_backend.py::test_result_user_cannot_connect_to_the_metadata_database",
            "connect to another database",
        ),
        refused(
            "sign in with a cookie made with the worker's key",
            "tests/integration/image/test_api_server.py::test_worker_cannot_sign_in_with_the_key_that_it_has",
            "sign in as a user with the keys that a worker has",
        ),
        refused(
            "make a user's token with the worker's key",
            f"{API}::test_forged_token_of_an_administrator_is_refused[workers-key]",
            "sign in as a user with the keys that a worker has",
        ),
        refused(
            "make the token of a task with the worker's key",
            f"{API}::test_worker_cannot_make_the_token_of_a_task",
        ),
        refused(
            "use its token for the API of users",
            f"{API}::test_token_of_a_task_does_not_open_the_api_of_users",
            "use its token for another task or for the API of users",
        ),
        refused(
            "end another task, or send its heartbeat",
            f"{API}::test_token_of_a_task_does_not_change_another_task",
            "use its token for another task or for the API of users",
        ),
        refused(
            "find the workload of another task of the ECS executor",
            "tests/templates/test_attacks.py::test_task_cannot_find_the_workload_of_another_task",
            "whose names they cannot find",
        ),
        refused(
            "start a task of the ECS executor with the role of an isolated queue",
            "tests/templates/test_attacks.py::test_ecs_executor_passes_no_role_of_an_isolated_queue",
        ),
        succeeds(
            "read every connection and variable over the execution API",
            f"{API}::test_limit_task_reads_every_connection_and_variable",
            "A task reads every connection and variable, over the execution API",
        ),
        succeeds(
            "read every connection of the stack in Secrets Manager",
            f"{ROLES}::test_limit_task_reads_every_connection_of_its_stack",
            "over the execution API and in Secrets Manager",
        ),
        succeeds(
            "read the live log of a task on another worker",
            f"{LOGS}::test_limit_key_of_every_worker_opens_the_live_log_of_any_task",
            "A task can read the live logs of tasks on other workers with it",
        ),
        refused(
            "read a live log with the token of a task, or without any",
            f"{LOGS}::test_live_log_is_not_read_without_a_token_for_it",
        ),
        refused(
            "read another worker's files beside its logs",
            f"{LOGS}::test_file_outside_the_logs_is_not_read",
        ),
        succeeds(
            "overwrite the log of another task; the first version is kept",
            f"{ROLES}::test_limit_task_overwrites_a_log_of_which_the_first_version_is_kept",
            "a task reads and overwrites the logs of other tasks",
        ),
        refused(
            "delete a log or its versions",
            f"{ROLES}::test_task_removes_no_log",
            "delete logs",
        ),
        succeeds(
            "take the message of another task",
            f"{ROLES}::test_limit_task_takes_the_message_of_another_task",
            "takes messages from every queue of the stack",
        ),
        refused(
            "queue a task, or empty a queue",
            f"{ROLES}::test_task_queues_no_task",
            "queue tasks, start workers, delete logs",
        ),
        refused(
            "start workers, or stop the fleet",
            f"{ROLES}::test_task_starts_no_worker",
            "start workers",
        ),
        refused(
            "tell workers to drain",
            f"{ROLES}::test_workers_are_not_told_to_drain",
        ),
        refused(
            "read a secret of the stack with the worker's role",
            f"{ROLES}::test_no_secret_of_the_stack_is_read",
        ),
        refused(
            "publish a release or replace one",
            f"{ROLES}::test_release_is_not_written",
            "publish a release or replace one",
        ),
        refused(
            "change a file of its release, to have it run in the next one",
            "tests/unit/image/releases/test_bundle.py::test_code_changed_under_one_release_is_not_served_as_the_next",
            "is not served again with the next release",
        ),
        refused(
            "write where the container's programs are, or use a capability",
            "tests/templates/test_attacks.py::test_container_has_no_capability_and_writes_to_two_paths",
            "Containers have no Linux capabilities and a read-only file system",
        ),
        refused(
            "connect to the scheduler, dag-processor or another worker",
            "tests/templates/test_attacks.py::test_component_is_reached_only_by_those_that_need_it",
            "nothing reaches scheduler, dag-processor and commands",
        ),
    ),
)
