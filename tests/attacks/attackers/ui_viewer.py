"""A user of the interface with Airflow's role Viewer."""

from tests.attacks.attempt import Attacker, refused, succeeds

API = "tests/integration/image/test_api_attacks.py"

ATTACKER = Attacker(
    name="UI viewer",
    has="an account with Airflow's role Viewer",
    attempts=(
        refused(
            "read connections",
            f"{API}::test_viewer_is_refused[reads-connections]",
        ),
        refused(
            "read a variable",
            f"{API}::test_viewer_is_refused[reads-a-variable]",
        ),
        refused(
            "read the configuration, with the Fernet key",
            f"{API}::test_viewer_is_refused[reads-the-fernet-key]",
        ),
        refused(
            "read the audit log",
            f"{API}::test_viewer_is_refused[reads-the-audit-log]",
        ),
        refused(
            "list users",
            f"{API}::test_viewer_is_refused[reads-users]",
        ),
        refused(
            "become an administrator",
            f"{API}::test_viewer_is_refused[becomes-an-administrator]",
        ),
        refused(
            "create an administrator",
            f"{API}::test_viewer_is_refused[creates-an-administrator]",
        ),
        refused(
            "change the administrator's password",
            f"{API}::test_viewer_is_refused[changes-the-administrators-password]",
        ),
        refused(
            "extend its role",
            f"{API}::test_viewer_is_refused[extends-its-role]",
        ),
        refused(
            "have the server send a request to an address inside (`connections/test`)",
            f"{API}::test_viewer_is_refused[tests-a-connection]",
        ),
        refused(
            "run a DAG",
            f"{API}::test_viewer_is_refused[runs-a-dag]",
        ),
        refused(
            "unpause or delete a DAG",
            f"{API}::test_viewer_is_refused[deletes-a-dag]",
        ),
        refused(
            "clear tasks or start a backfill",
            f"{API}::test_viewer_is_refused[clears-tasks]",
        ),
        refused(
            "turn its token into an administrator's",
            f"{API}::test_token_of_a_viewer_does_not_become_that_of_an_administrator",
        ),
        refused(
            "use its token for the execution API, also from inside the network",
            f"{API}::test_token_of_a_viewer_does_not_open_the_execution_api",
        ),
        succeeds(
            "see every DAG",
            f"{API}::test_viewer_sees_dags",
            "A Viewer of the user interface sees every DAG",
        ),
    ),
)
