"""The temporary credentials of roles, for functions and for containers.

A service gets them only if the role's trust policy lets it assume the role, in the context that the
service sends: for ECS `aws:SourceAccount` and `aws:SourceArn`, for Lambda those of the function.
"""

import secrets
import threading

from ministack.services import sts

from embedded_aws.authorization import engine, record
from embedded_aws.settings import ACCOUNT_ID

_LONGEST_NAME = 64


class CannotAssumeRoleError(ValueError):
    """The role does not exist, or its trust policy does not name the service."""


_lock = threading.Lock()
_sessions: dict[tuple[str, str], dict[str, str]] = {}


def assert_trust(role_arn: str, service: str, source_arn: str) -> None:
    """Check that a service may assume a role for one of its resources.

    Raises:
        CannotAssumeRoleError: it may not.
    """
    if engine.role_named(engine.role_name(role_arn)) is None:
        raise CannotAssumeRoleError(f"There is no role {role_arn}.")
    context = {"aws:SourceAccount": ACCOUNT_ID, "aws:SourceArn": source_arn}
    if not record.is_allowed(engine.decide_trust(role_arn, service, context)):
        raise CannotAssumeRoleError(f"{role_arn} does not trust {service}.")


def credentials_of(role_arn: str, session_name: str) -> dict[str, str]:
    """The environment variables with a session's credentials; the same for each call.

    They do not expire. On AWS a task's credentials outlive it by hours, too.
    """
    name = engine.role_name(role_arn)
    with _lock:
        found = _sessions.get((role_arn, session_name))
        if found is None:
            key = f"ASIA{secrets.token_hex(8).upper()}"
            secret, token = secrets.token_hex(20), secrets.token_urlsafe(120)
            session = session_name[:_LONGEST_NAME]
            role = engine.role_named(name) or {}
            sts.register_session(
                key,
                {
                    "Arn": f"arn:aws:sts::{ACCOUNT_ID}:assumed-role/{name}/{session}",
                    "UserId": f"{role.get('RoleId', name)}:{session}",
                    "SecretAccessKey": secret,
                    "SessionToken": token,
                },
            )
            found = _sessions[role_arn, session_name] = {
                "AWS_ACCESS_KEY_ID": key,
                "AWS_SECRET_ACCESS_KEY": secret,
                "AWS_SESSION_TOKEN": token,
            }
        return found
