"""Connections to RDS are encrypted, and the server proves that it is the one of the URL.

By default a client encrypts when the server offers it and takes any certificate, so who redirects
the connection reads everything. RDS's certificates are issued by Amazon's own authorities, which
are in this image (`rds-ca.pem`). The URLs in the secrets name none of this: it is added at start,
for servers of RDS only. The embedded AWS's PostgreSQL has no TLS.

It is part of the URL, because an environment variable would apply to the connections of DAGs, too.
asyncpg does not know these parts of a URL: it gets a URL without them, and an SSL context.
"""

import ssl
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

AUTHORITIES: Final = Path(__file__).parent / "rds-ca.pem"
RDS: Final = (".rds.amazonaws.com", ".rds.amazonaws.com.cn")
METADATA: Final = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
RESULTS: Final = "AIRFLOW__CELERY__RESULT_BACKEND"
ASYNC: Final = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC"
ASYNC_ARGUMENTS: Final = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS_ASYNC"


def apply(environment: MutableMapping[str, str]) -> None:
    """Change the URLs in `environment`, where they are those of RDS."""
    for name in (METADATA, RESULTS):
        url = environment.get(name)
        if not url or not (urlsplit(url).hostname or "").endswith(RDS):
            continue
        environment[name] = verified(url)
        if name == METADATA:
            environment.setdefault(ASYNC, for_asyncpg(url))
            environment.setdefault(ASYNC_ARGUMENTS, f"{__name__}.arguments_of_asyncpg")


def verified(url: str) -> str:
    """The URL with libpq's strictest check; a URL that has one stays as it is."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    query.setdefault("sslmode", "verify-full")
    query.setdefault("sslrootcert", str(AUTHORITIES))
    return urlunsplit(parts._replace(query=urlencode(query)))


def for_asyncpg(url: str) -> str:
    parts = urlsplit(url)
    query = [each for each in parse_qsl(parts.query) if not each[0].startswith("ssl")]
    return urlunsplit(parts._replace(scheme="postgresql+asyncpg", query=urlencode(query)))


def __getattr__(name: str) -> Any:
    # Airflow imports it by its name, where it uses asyncpg; other processes do not read the file.
    if name == "arguments_of_asyncpg":
        return {"ssl": ssl.create_default_context(cafile=str(AUTHORITIES))}
    raise AttributeError(name)
