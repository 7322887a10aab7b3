"""Start tasks with roles that were created a moment ago.

IAM is eventually consistent. In the first minutes of a role's life ECS may be unable to assume it,
and a call that the function's own new role allows may be denied.
"""

from collections.abc import Callable
from typing import TypeVar

from botocore.exceptions import ClientError

from shared.aws.named_errors import error_code, error_message, is_access_denied

Result = TypeVar("Result")

_WAITS_SECONDS = (5, 10, 15, 20, 30, 40)
# A denied call is more often a missing permission than a new one.
_DENIED_SECONDS = 30


def cannot_be_assumed(error: ClientError) -> bool:
    return error_code(error) == "ClientException" and "unable to assume" in error_message(error)


def with_new_roles(run: Callable[[], Result], sleep: Callable[[float], None]) -> Result:
    """Call RunTask until the roles can be used: for two minutes, half a minute when denied."""
    waited = 0
    for wait in _WAITS_SECONDS:
        try:
            return run()
        except ClientError as error:
            denied = is_access_denied(error) and waited + wait <= _DENIED_SECONDS
            if not (cannot_be_assumed(error) or denied):
                raise
        sleep(wait)
        waited += wait
    return run()
