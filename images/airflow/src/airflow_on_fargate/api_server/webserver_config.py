"""Flask's configuration ([fab] config_file): a key of sessions that only the API server has.

FAB signs the cookies of users (`session`, `remember_token`) with Flask's SECRET_KEY, and takes
[api] secret_key for it unless this file says otherwise. Workers have that key, because they verify
requests for live logs with it; with it, any task could sign in as any user.

An image with its own $AIRFLOW_HOME/webserver_config.py keeps its settings, except for the key.
"""

import os as _os
import secrets as _secrets
from pathlib import Path as _Path

_VARIABLE = "FLASK_SECRET_KEY"

_own = _Path(_os.environ.get("AIRFLOW_HOME", "/opt/airflow"), "webserver_config.py")
if _own.is_file():
    exec(compile(_own.read_bytes(), str(_own), "exec"))  # noqa: S102 - as Flask does with this file

SECRET_KEY = _os.environ.get(_VARIABLE)
if not SECRET_KEY:
    if _os.environ.get("COMPONENT") == "api-server":
        raise RuntimeError(f"{_VARIABLE} is not set: without it, workers could sign in as any user")
    # Commands open FAB's tables with a Flask app, but answer no requests.
    SECRET_KEY = _secrets.token_urlsafe(48)
