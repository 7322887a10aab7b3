"""Keys side by side: every process always knows the keys of all running tasks."""

import re
import subprocess
from typing import Any

import pytest
from cryptography.fernet import Fernet
from rotation_doubles import InterruptedRunError, context

from airflow_on_fargate.rotation import keys
from airflow_on_fargate.rotation.context import RotationContext
from airflow_on_fargate.rotation.errors import RotationError

OLD_FERNET_KEY = Fernet.generate_key().decode()


class Stack:
    """The values of one secret that the tasks of a stack have, restart by restart."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str, value: str, **more: str) -> None:
        self.name, self.held, self.interrupt_at = name, [value.split(",")], 0
        self.slept: list[float] = []
        self.encrypted_with: list[str] = []
        self.context: RotationContext = context(
            self.restart, self.slept, **{name.replace("-", "_"): value}, **more
        )
        monkeypatch.setattr(subprocess, "run", self.run)

    @property
    def value(self) -> str:
        return self.context.secrets[self.name].value()

    def restart(self) -> None:
        now = self.value.split(",")
        # During a restart, old and new tasks run together: each must know the other's key.
        assert now[0] in self.held[-1], "a new task uses a key that an old one does not know"
        assert self.held[-1][0] in now, "an old task uses a key that a new one does not know"
        if len(self.held) == self.interrupt_at:
            self.interrupt_at = 0
            raise InterruptedRunError
        self.held.append(now)

    def run(self, command: list[str], env: dict[str, str]) -> Any:
        assert command[-1] == "rotate-fernet-key"
        self.encrypted_with.append(env["AIRFLOW__CORE__FERNET_KEY"])
        # Running processes already write with the new key, so no new value has the old one.
        assert self.held[-1][0] == env["AIRFLOW__CORE__FERNET_KEY"].split(",")[0]
        return subprocess.CompletedProcess(command, 0)


@pytest.fixture
def fernet(monkeypatch: pytest.MonkeyPatch) -> Stack:
    return Stack(monkeypatch, "fernet-key", OLD_FERNET_KEY, fernet_key_seed=OLD_FERNET_KEY[:-1])


@pytest.fixture
def jwt(monkeypatch: pytest.MonkeyPatch) -> Stack:
    return Stack(monkeypatch, "jwt-key", "o" * 64)


def test_fernet_rotation_encrypts_the_database_again(fernet: Stack) -> None:
    keys.rotate_fernet_key(fernet.context, None)

    assert fernet.value != OLD_FERNET_KEY
    assert fernet.encrypted_with == [f"{fernet.value},{OLD_FERNET_KEY}"]
    assert Fernet(fernet.value)


def test_fernet_rotation_updates_the_seed_that_the_template_uses(fernet: Stack) -> None:
    keys.rotate_fernet_key(fernet.context, None)

    assert fernet.context.secrets["fernet-key-seed"].value() + "=" == fernet.value


def test_fernet_rotation_works_without_a_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    brought = Stack(monkeypatch, "fernet-key", OLD_FERNET_KEY)

    keys.rotate_fernet_key(brought.context, None)

    assert "," not in brought.value


def test_old_key_stays_when_the_database_was_not_encrypted_again(
    fernet: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        subprocess, "run", lambda *_, **__: subprocess.CompletedProcess(["airflow"], 1)
    )
    with pytest.raises(RotationError, match="rotate-fernet-key ended with 1"):
        keys.rotate_fernet_key(fernet.context, None)

    assert fernet.value.endswith(f",{OLD_FERNET_KEY}")
    assert fernet.context.secrets["fernet-key-seed"].value() == OLD_FERNET_KEY[:-1]


@pytest.mark.parametrize("restart", [1, 2])
def test_interrupted_rotation_continues(fernet: Stack, restart: int) -> None:
    fernet.interrupt_at = restart
    with pytest.raises(InterruptedRunError):
        keys.rotate_fernet_key(fernet.context, None)
    new = next(key for key in fernet.value.split(",") if key != OLD_FERNET_KEY)

    keys.rotate_fernet_key(fernet.context, None)

    assert fernet.value == new
    assert fernet.encrypted_with == [f"{new},{OLD_FERNET_KEY}"]


def test_second_rotation_sets_another_key(fernet: Stack) -> None:
    keys.rotate_fernet_key(fernet.context, None)
    second = fernet.value
    keys.rotate_fernet_key(fernet.context, None)

    assert len({OLD_FERNET_KEY, second, fernet.value}) == 3


def test_generated_fernet_keys_are_valid() -> None:
    from airflow_on_fargate.rotation.context import random_text

    for _ in range(2000):
        Fernet(random_text(43) + "=")


def test_jwt_rotation_waits_for_old_tokens_to_expire(
    jwt: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__EXECUTION_API__JWT_EXPIRATION_TIME", "7200")
    monkeypatch.setenv("AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT", "3600")

    keys.rotate_jwt_key(jwt.context, None)

    assert jwt.slept == [7260]
    assert re.fullmatch(r"[A-Za-z0-9]{64}", jwt.value)
    # No process has the old one.
    assert jwt.held[-1] == [jwt.value]


@pytest.mark.parametrize("restart", [1, 2])
def test_interrupted_jwt_rotation_continues(jwt: Stack, restart: int) -> None:
    jwt.interrupt_at = restart
    with pytest.raises(InterruptedRunError):
        keys.rotate_jwt_key(jwt.context, 5)
    new = next(key for key in jwt.value.split(",") if key != "o" * 64)

    keys.rotate_jwt_key(jwt.context, 5)

    assert jwt.value == new
    assert jwt.slept == [5]


def test_three_keys_are_refused(jwt: Stack) -> None:
    jwt.context.secrets["jwt-key"].put("a,b,c")
    with pytest.raises(RotationError, match="holds 3 keys"):
        keys.rotate_jwt_key(jwt.context, 5)


@pytest.mark.parametrize(
    ("name", "rotate"),
    [
        ("api-secret-key", keys.rotate_api_secret_key),
        ("session-key", keys.rotate_session_key),
    ],
)
def test_key_of_the_api_server_is_replaced_with_one_restart(name: str, rotate: Any) -> None:
    held = []
    found = context(
        lambda: held.append(found.secrets[name].value()), **{name.replace("-", "_"): "o" * 64}
    )
    rotate(found, None)
    (new,) = held
    assert len(new) == 64
    assert new != "o" * 64
