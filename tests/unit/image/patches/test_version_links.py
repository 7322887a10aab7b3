"""The link of a DAG version is the page of its commit."""

import pytest
from airflow.models.dag_version import DagVersion

from airflow_on_fargate.patches.api_server import version_links

COMMIT = "https://example.com/team/dags/commit/c0ffee"


@pytest.fixture(autouse=True)
def patched(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given back after the test.
    monkeypatch.setattr(DagVersion, "bundle_url", DagVersion.bundle_url)
    version_links.apply()


@pytest.mark.parametrize(
    ("data", "link"),
    [
        ({"origin": {"url": COMMIT, "commit": "c0ffee"}}, COMMIT),
        ({"origin": {"commit": "c0ffee"}}, None),
        ({"origin": {"url": "javascript:alert(1)"}}, None),
        ({}, None),
        (None, None),
    ],
)
def test_link_is_that_of_the_commit(data, link):
    assert DagVersion(version_data=data).bundle_url == link


def test_the_api_shows_the_link():
    from airflow.api_fastapi.core_api.datamodels.dag_versions import DagVersionResponse

    field = DagVersionResponse.model_fields["bundle_url"]
    assert field.validation_alias == "bundle_url"
