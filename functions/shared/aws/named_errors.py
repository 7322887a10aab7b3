"""Translate botocore's errors into AwsCallError and its subclasses."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import AccessDeniedError, AwsCallError

# Services name it differently; the answer to a HEAD request has only a status.
_ACCESS_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403")


def error_code(error: ClientError) -> str:
    """The error's code. For a HEAD request, whose answer has no body, it is the HTTP status."""
    return str(error.response.get("Error", {}).get("Code", "Unknown"))


def error_message(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Message", "")).strip()


def is_access_denied(error: ClientError) -> bool:
    return error_code(error) in _ACCESS_DENIED


@contextmanager
def named_errors(
    action: str, names: Mapping[str, type[AwsCallError]] | None = None
) -> Iterator[None]:
    """Raise AwsCallError, or the class that `names` gives for a code, when a call fails.

    `action` completes "Could not …".
    """
    try:
        yield
    except ClientError as error:
        code = error_code(error)
        other = AccessDeniedError if is_access_denied(error) else AwsCallError
        kind = (names or {}).get(code, other)
        raise kind(f"Could not {action}: {code}: {error_message(error)}") from error
    except BotoCoreError as error:
        raise AwsCallError(f"Could not {action}: {error}") from error
