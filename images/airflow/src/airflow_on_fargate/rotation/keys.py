"""Rotation of keys.

A key that many processes share is replaced in three steps, because they cannot all get it at the
same time: first all trust the new key, then all use it, then none trusts the old one. The secret's
value is the state; the first key is the one in use:

    old  →  old,new  → restart →  new,old  → restart, replace old uses →  new

The previous value distinguishes the two middle states: it holds one key or two.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Final

from airflow_on_fargate.rotation.context import RotationContext, Secret, random_text
from airflow_on_fargate.rotation.errors import RotationError

# For clock differences, and for tokens that were made while the last service restarted.
MARGIN_SECONDS: Final = 60.0


def rotate_fernet_key(context: RotationContext, _wait_seconds: float | None) -> None:
    """The key of connections and variables in the database, which are encrypted again."""

    def encrypt_again(value: str) -> None:
        context.say("Encrypting connections, variables and triggers with the new key")
        with context.turn():
            done = subprocess.run(
                [sys.executable, "-m", "airflow", "rotate-fernet-key"],
                env={**os.environ, "AIRFLOW__CORE__FERNET_KEY": value},
            )
        if done.returncode:
            raise RotationError(f"airflow rotate-fernet-key ended with {done.returncode}")
        if seed := context.secrets.get("fernet-key-seed"):
            # The template composes the key from it: if CloudFormation writes the key again, it must
            # be this one.
            seed.put(value.partition(",")[0].removesuffix("="))

    # 32 bytes in URL-safe base64; any 43 letters and digits are such bytes.
    _side_by_side(
        context,
        context.secrets["fernet-key"],
        lambda: random_text(43) + "=",
        encrypt_again,
    )


def rotate_jwt_key(context: RotationContext, wait_seconds: float | None) -> None:
    """The key that signs the tokens of tasks and of users' sessions."""
    seconds = _token_lifetime() if wait_seconds is None else wait_seconds

    def let_tokens_end(_value: str) -> None:
        context.say(f"Trusting tokens of the old key for another {seconds:.0f} s")
        context.sleep(seconds)

    _side_by_side(context, context.secrets["jwt-key"], lambda: random_text(64), let_tokens_end)
    # The old key is no longer in the secret; remove it from the processes' memory.
    context.restart()


def rotate_api_secret_key(context: RotationContext, _wait_seconds: float | None) -> None:
    """The key of requests for live logs.

    A worker that started before keeps the old one: until it exits, the UI shows the log of a task
    there only after the task has ended.
    """
    context.secrets["api-secret-key"].put(random_text(64))
    context.restart()


def rotate_session_key(context: RotationContext, _wait_seconds: float | None) -> None:
    """The key of users' sessions: they sign in again."""
    context.secrets["session-key"].put(random_text(64))
    context.restart()


def _side_by_side(
    context: RotationContext,
    secret: Secret,
    generate: Callable[[], str],
    replace_old_uses: Callable[[str], None],
) -> None:
    keys, before = _keys(secret.value()), _keys(secret.previous())
    if len(keys) > 2:
        raise RotationError(f"the secret holds {len(keys)} keys: keep one, or new and old")
    if len(keys) == 1:
        context.say("Adding a new key that is trusted beside the old one")
        keys, before = [keys[0], generate()], keys
        secret.put(",".join(keys))
    if len(before) < 2:
        context.restart()
        context.say("Using the new key; the old one stays trusted")
        keys.reverse()
        secret.put(",".join(keys))
    context.restart()
    replace_old_uses(",".join(keys))
    context.say("Removing the old key")
    secret.put(keys[0])


def _keys(value: str) -> list[str]:
    return [key.strip() for key in value.split(",") if key.strip()]


def _token_lifetime() -> float:
    """How long the token of a task can be valid, whether the task runs or is queued."""
    lifetimes = (
        "AIRFLOW__EXECUTION_API__JWT_EXPIRATION_TIME",
        "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT",
    )
    return max(float(os.environ[name]) for name in lifetimes) + MARGIN_SECONDS
