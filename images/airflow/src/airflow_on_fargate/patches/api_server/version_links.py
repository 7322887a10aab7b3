"""Link a version of a DAG to the commit that it comes from.

Airflow makes the link of a version in its UI from a template of the bundle and the version's id
alone. The id of a release names its content: one release can come from two commits, and a folder
that is synchronized comes from none. The bundle stores the page of the commit with each version.
No upstream report is known. The text of one is docs/upstream/version-links.md.
"""

from typing import Any

from airflow_on_fargate.patches import replace, require


def apply() -> None:
    """Prefer the link that is stored with the version."""
    # 3.2.2 stores nothing with a version.
    if not require("apache-airflow", "3.3.2", without=("3.2.2",)):
        return
    from airflow.models.dag_version import DagVersion

    replace(DagVersion, "bundle_url", _stored)


class _Property(property):
    """One to which `replace` can add an attribute."""


def _stored(original: Any) -> Any:
    def bundle_url(self: Any) -> str | None:
        origin = (self.version_data or {}).get("origin") or {}
        url = str(origin.get("url", ""))
        # Everyone who may upload a zip file may write it: it must not run in a browser.
        if url.startswith("https://"):
            return url
        former: str | None = original.fget(self)
        return former

    return _Property(bundle_url)
