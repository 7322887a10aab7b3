"""Keep the reason why a file stays out of the release among the import errors.

The dag-processor shows it as an import error after each refresh (`releases.watch`). Airflow removes
the error when it parses the version of the file that stayed live, and when it scans the folder
after a switch and the file is not there: the reason disappears until the next refresh.

With this patch a parse and a scan leave the reason where it is. If the live version has an import
error too, both are shown. Not a correction: Airflow itself has no such errors.
"""

import logging
from collections.abc import Iterable
from typing import Any

from airflow_on_fargate.import_error_rows import LEFT_OUT, joined, split
from airflow_on_fargate.patches import replace, require

log = logging.getLogger(__name__)


def apply() -> None:
    """Surround the places where Airflow removes import errors."""
    require("apache-airflow", "3.3.2", "3.2.2")
    from airflow.dag_processing import collection
    from airflow.dag_processing.manager import DagFileProcessorManager

    replace(collection, "_update_import_errors", _keeping_reasons)
    replace(DagFileProcessorManager, "clear_orphaned_import_errors", _keeping_reasons_of_absent)


def _keeping_reasons(original: Any) -> Any:
    def _update_import_errors(
        files_parsed: set[tuple[str, str]],
        bundle_name: str,
        import_errors: dict[tuple[str, str], str],
        session: Any,
    ) -> None:
        paths = {path for _, path in (*files_parsed, *import_errors)}
        rows = {(bundle_name, row.filename): row for row in _rows(session, bundle_name, paths)}
        reasons = {key: split(row.stacktrace)[1] for key, row in rows.items()}
        original(
            files_parsed=files_parsed - (rows.keys() - import_errors.keys()),
            bundle_name=bundle_name,
            import_errors={
                key: joined(text, reasons.get(key, "")) for key, text in import_errors.items()
            },
            session=session,
        )
        for key in rows.keys() - import_errors.keys():
            # The version that is live has no import error any more.
            rows[key].stacktrace = joined("", reasons[key])

    return _update_import_errors


def _keeping_reasons_of_absent(original: Any) -> Any:
    def clear_orphaned_import_errors(
        self: Any, bundle_name: str, observed_filelocs: set[str], **named: Any
    ) -> None:
        from airflow.utils.session import create_session

        shown: set[str] = set()
        try:
            with create_session(scoped=False) as session:
                for row in _rows(session, bundle_name):
                    shown.add(row.filename)
                    if row.filename not in observed_filelocs:
                        row.stacktrace = joined("", split(row.stacktrace)[1])
        except Exception:
            # As Airflow does around the original.
            log.exception("Could not look for files that stay out of the release")
        original(
            self, bundle_name=bundle_name, observed_filelocs=observed_filelocs | shown, **named
        )

    return clear_orphaned_import_errors


def _rows(session: Any, bundle_name: str, paths: Iterable[str] | None = None) -> list[Any]:
    """The import errors that say why a file stays out."""
    from airflow.models.errors import ParseImportError
    from sqlalchemy import select

    query = select(ParseImportError).where(
        ParseImportError.bundle_name == bundle_name,
        ParseImportError.stacktrace.contains(LEFT_OUT, autoescape=True),
    )
    if paths is not None:
        query = query.where(ParseImportError.filename.in_(paths))
    return list(session.scalars(query))
