"""Which database URLs demand the server's certificate, and in whose words."""

import ssl

import pytest
from sqlalchemy.engine import make_url

from airflow_on_fargate.database import tls

HOST = "airflow.abc.eu-central-1.rds.amazonaws.com"
URL = f"postgresql+psycopg2://airflow:p%40ss@{HOST}:5432/airflow"


def test_urls_of_rds_demand_the_certificate_of_their_host() -> None:
    environment = {tls.METADATA: URL, tls.RESULTS: f"db+{URL}"}
    tls.apply(environment)
    for name, scheme in (
        (tls.METADATA, "postgresql+psycopg2"),
        (tls.RESULTS, "db+postgresql+psycopg2"),
    ):
        url = make_url(environment[name])
        assert url.drivername == scheme
        assert (url.host, url.password, url.database) == (HOST, "p@ss", "airflow")
        assert url.query == {"sslmode": "verify-full", "sslrootcert": str(tls.AUTHORITIES)}
    before = dict(environment)
    tls.apply(environment)
    assert environment == before


def test_asyncpg_gets_a_url_that_it_understands() -> None:
    environment = {tls.METADATA: tls.verified(URL)}
    tls.apply(environment)
    url = make_url(environment[tls.ASYNC])
    assert (url.drivername, url.host, dict(url.query)) == ("postgresql+asyncpg", HOST, {})
    module, _, name = environment[tls.ASYNC_ARGUMENTS].rpartition(".")
    assert module == tls.__name__
    context = getattr(tls, name)["ssl"]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize("host", ["127.0.0.1", "rds.amazonaws.com.example.com", "db.internal"])
def test_other_servers_are_left_alone(host: str) -> None:
    environment = {tls.METADATA: URL.replace(HOST, host)}
    tls.apply(environment)
    assert environment == {tls.METADATA: URL.replace(HOST, host)}


def test_process_without_a_database_gets_nothing() -> None:
    environment: dict[str, str] = {}
    tls.apply(environment)
    assert environment == {}


def test_authorities_are_those_of_amazon_and_valid() -> None:
    context = ssl.create_default_context(cafile=str(tls.AUTHORITIES))
    found = context.get_ca_certs()
    names = {
        value
        for each in found
        for part in each["subject"]
        for _, value in part  # type: ignore[misc]
    }
    assert len(found) > 80
    assert "Amazon RDS eu-central-1 Root CA RSA2048 G1" in names
    for each in found:
        organization = {v for part in each["subject"] for k, v in part if k == "organizationName"}  # type: ignore[misc]
        assert organization <= {
            "Amazon Web Services, Inc.", "Amazon", "Starfield Technologies, Inc.",
        }  # fmt: skip
