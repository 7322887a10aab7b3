"""Two keys for tokens, as the real Airflow signs and checks them."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_on_fargate.rotation import token_keys

OLD, NEW = "o" * 64, "n" * 64
SIGN = """
from airflow.api_fastapi.auth.tokens import JWTGenerator, get_signing_args
print(JWTGenerator(**get_signing_args(), valid_for=60, audience="a", issuer="i").generate())
"""
CHECK = """
import sys
from airflow.api_fastapi.auth.tokens import JWTValidator, get_sig_validation_args
validator = JWTValidator(**get_sig_validation_args(), audience="a", issuer="i")
print(validator.validated_claims(sys.argv[1])["iss"])
"""


def airflow(script: str, secret: str, home: Path, *arguments: str) -> str:
    """Run a script as a component that got this secret; its last line."""
    environment = {**os.environ, "AIRFLOW_HOME": str(home), token_keys.VARIABLE: secret}
    token_keys.apply(environment)
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], env=environment, capture_output=True, text=True
    )
    return done.stdout.strip().splitlines()[-1] if done.returncode == 0 else done.stderr


@pytest.mark.parametrize(
    ("signer", "checker"),
    [
        (OLD, f"{OLD},{NEW}"),
        (f"{OLD},{NEW}", OLD),
        (f"{OLD},{NEW}", f"{NEW},{OLD}"),
        (f"{NEW},{OLD}", f"{OLD},{NEW}"),
        (f"{NEW},{OLD}", NEW),
    ],
)
def test_token_is_trusted_one_step_of_a_rotation_later(
    signer: str, checker: str, tmp_path: Path
) -> None:
    token = airflow(SIGN, signer, tmp_path)
    assert airflow(CHECK, checker, tmp_path, token) == "i"


@pytest.mark.parametrize("checker", [NEW, "x" * 64])
def test_token_is_refused_when_its_key_was_removed(checker: str, tmp_path: Path) -> None:
    token = airflow(SIGN, OLD, tmp_path)
    assert "InvalidTokenError" in airflow(CHECK, checker, tmp_path, token)


def test_token_is_refused_when_it_only_claims_a_trusted_key(tmp_path: Path) -> None:
    import jwt

    forged = jwt.encode(
        {"iss": "i", "aud": "a"}, "x" * 64, "HS512", headers={"kid": token_keys.key_id(OLD)}
    )
    assert "InvalidSignatureError" in airflow(CHECK, f"{NEW},{OLD}", tmp_path, forged)


def test_file_of_keys_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    environment = {"AIRFLOW_HOME": str(tmp_path), token_keys.VARIABLE: f"{NEW},{OLD}"}
    (tmp_path / "token-keys.json").write_text("of an earlier start")

    token_keys.apply(environment)

    path = Path(environment["AIRFLOW__API_AUTH__TRUSTED_JWKS_URL"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(json.loads(path.read_text())["keys"]) == 2
    assert environment[token_keys.VARIABLE] == NEW
    assert NEW not in environment["AIRFLOW__API_AUTH__JWT_KID"]


def test_nothing_is_written_when_there_is_no_key(tmp_path: Path) -> None:
    environment = {"AIRFLOW_HOME": str(tmp_path)}
    token_keys.apply(environment)
    assert environment == {"AIRFLOW_HOME": str(tmp_path)}
    assert list(tmp_path.iterdir()) == []
