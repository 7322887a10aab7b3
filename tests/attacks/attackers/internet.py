"""Someone without an account, on the other side of the load balancer."""

from tests.attacks.attempt import Attacker, limited, refused

SERVER = "tests/integration/image/test_api_server.py"
API = "tests/integration/image/test_api_attacks.py"
PROXY = "tests/unit/image/api_server/test_load_balancer.py"
LIMIT = "tests/unit/image/api_server/test_sign_in_limit.py"
NETWORK = "tests/templates/test_attacks.py"

ATTACKER = Attacker(
    name="Internet",
    has="the address of the user interface, and no account",
    attempts=(
        refused(
            "request every path of the API without an account",
            f"{API}::test_every_path_of_the_api_asks_for_an_account",
        ),
        refused(
            "reach the execution API in 28 spellings of its path",
            f"{PROXY}::test_execution_api_is_refused_below_the_path_of_the_base_url",
            "the API server refuses every spelling of them",
        ),
        refused(
            "reach the execution API of a real server",
            f"{SERVER}::test_execution_api_is_not_found_through_the_load_balancer",
        ),
        refused(
            "reach it over a websocket",
            f"{PROXY}::test_websocket_is_closed",
        ),
        limited(
            "guess a password, 120 times and more",
            f"{LIMIT}::test_password_is_not_found_by_guessing",
            "ten wrong passwords within a minute gets 429 for a minute",
        ),
        limited(
            "guess at the same time, or at several routes",
            f"{LIMIT}::test_guesses_at_the_same_time_are_counted_too",
            "ten wrong passwords within a minute gets 429 for a minute",
        ),
        limited(
            "guess in the sign-in form",
            f"{SERVER}::test_sign_in_form_is_limited_by_address",
            "at the form and at `/auth/token`",
        ),
        limited(
            "claim another address for each guess",
            f"{SERVER}::test_wrong_passwords_are_limited_by_address",
            "Addresses are those that the stack's own proxies saw",
        ),
        refused(
            "choose the address that the log shows",
            f"{PROXY}::test_client_cannot_choose_its_address",
            "Addresses are those that the stack's own proxies saw",
        ),
        refused(
            "keep the server busy with a long body",
            f"{LIMIT}::test_long_body_is_refused_before_it_is_checked",
        ),
        refused(
            "sign in with well-known passwords, or SQL in the name",
            f"{API}::test_known_password_does_not_sign_in",
        ),
        refused(
            "sign in with headers of proxies (`X-Remote-User`, `X-Amzn-Oidc-Identity`, …)",
            f"{API}::test_header_does_not_sign_in",
        ),
        refused(
            "sign an administrator's token with an empty key",
            f"{API}::test_forged_token_of_an_administrator_is_refused[empty-key]",
        ),
        refused(
            "use an administrator's token without a signature",
            f"{API}::test_forged_token_of_an_administrator_is_refused[no-signature]",
        ),
        refused(
            "change the content of a token and keep its signature",
            f"{API}::test_forged_token_of_an_administrator_is_refused[kept-signature]",
        ),
        refused(
            "use a token that has expired",
            f"{API}::test_forged_token_of_an_administrator_is_refused[expired]",
        ),
        refused(
            "register an account",
            f"{API}::test_nobody_registers_an_account",
        ),
        refused(
            "sign a browser in from another site",
            f"{API}::test_sign_in_form_needs_the_token_of_its_page",
        ),
        refused(
            "read answers from a page of another site",
            f"{API}::test_other_site_does_not_read_answers",
        ),
        refused(
            "show Airflow inside another site, or over HTTP",
            f"{SERVER}::test_answers_protect_the_browser",
        ),
        refused(
            "choose where a redirect goes",
            f"{API}::test_header_does_not_choose_where_a_redirect_goes",
        ),
        refused(
            "read files beside the static files",
            f"{API}::test_file_outside_the_static_files_is_not_served",
        ),
        refused(
            "read the description of the API",
            f"{SERVER}::test_description_of_the_api_is_not_public",
            "The description of the API",
        ),
        refused(
            "connect to the database or to a task",
            f"{NETWORK}::test_no_task_and_no_database_is_reached_from_an_address",
            "the stack has no public listener",
        ),
        refused(
            "call AWS without an identity",
            "tests/integration/embedded_aws/authorization/test_identity.py::test_request_without_identity_is_refused",
        ),
    ),
)
