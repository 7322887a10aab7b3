"""Several keys for Airflow's tokens, so that no task fails when one is replaced.

Airflow signs with one secret, and by default trusts only that one. It can also trust a set of keys
(a JWKS), which may be a local file and may contain symmetric keys. So AIRFLOW__API_AUTH__JWT_SECRET
may contain several keys, separated by commas, as the Fernet key may: the first signs, all are
trusted. This module writes the file and sets the options. Standard library only.
"""

import base64
import hashlib
import json
import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import Final

VARIABLE: Final = "AIRFLOW__API_AUTH__JWT_SECRET"
# The algorithm that Airflow uses for a symmetric key.
ALGORITHM: Final = "HS512"


def apply(environment: MutableMapping[str, str] | None = None) -> None:
    """Turn the list of keys into Airflow's settings. A worker has none, so nothing is set."""
    target = os.environ if environment is None else environment
    keys = [key.strip() for key in target.get(VARIABLE, "").split(",") if key.strip()]
    if not keys:
        return
    path = Path(target["AIRFLOW_HOME"], "token-keys.json")
    _write(path, json.dumps({"keys": [_jwk(key) for key in keys]}))
    target[VARIABLE] = keys[0]
    target["AIRFLOW__API_AUTH__JWT_KID"] = key_id(keys[0])
    target["AIRFLOW__API_AUTH__TRUSTED_JWKS_URL"] = str(path)


def key_id(key: str) -> str:
    """The id in the header of a token; it reveals nothing about the key."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def _jwk(key: str) -> dict[str, str]:
    encoded = base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")
    return {"kty": "oct", "alg": ALGORITHM, "kid": key_id(key), "k": encoded}


def _write(path: Path, text: str) -> None:
    """Write a file that only this user may read, from its creation on, and whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    temporary.replace(path)
