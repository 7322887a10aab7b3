"""Rows of Airflow's table of import errors, as this package writes them.

The text of a row has up to two parts. The first is what Airflow says about the version of a file
that is in the release. The second is why another version of this file stays out of the release.

`stale` says whether the file's DAGs stop as well. It is what Airflow does with every import error,
and right where the file itself is the reason. A parse that was killed may say more about the memory
of the container than about the file: then only the error is recorded, and Airflow stops the DAGs
when the file has not been parsed for `[dag_processor] stale_dag_threshold` seconds, as without it.
"""

import logging
from collections.abc import Mapping
from typing import Any, Final

log = logging.getLogger(__name__)

# The columns of Airflow's table. Its text may have any length.
FILENAME_CHARACTERS: Final = 1024

# How the second part of a text begins.
LEFT_OUT: Final = "Left out of the current DAG release.\n\n"


def split(text: str | None) -> tuple[str, str]:
    """What Airflow says, and why the file stays out; either may be empty."""
    airflow, _, exclusion = (text or "").partition(LEFT_OUT)
    return airflow.rstrip("\n"), exclusion


def joined(airflow: str, exclusion: str) -> str:
    """The text that `split` takes apart."""
    shown = LEFT_OUT + exclusion if exclusion else ""
    return f"{airflow}\n\n{shown}" if airflow and shown else airflow or shown


def storable(text: str) -> str:
    """The text without what PostgreSQL's text and UTF-8 cannot hold: NUL and lone surrogates."""
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()


def all_storable(errors: Mapping[str, str]) -> dict[str, str]:
    """Paths and texts that the database, and Airflow's messages, can hold."""
    return {storable(path)[:FILENAME_CHARACTERS]: storable(text) for path, text in errors.items()}


def record(
    bundle_name: str, errors: Mapping[str, str], *, stale: bool, session: Any = None
) -> None:
    """Record an error for each path, in a transaction of its own. Never raises.

    `session` must not have a transaction that others need.
    """
    from airflow.utils.session import create_session

    try:
        if session is None:
            with create_session() as own:
                _record(bundle_name, errors, stale, own)
            return
        _record(bundle_name, errors, stale, session)
        session.commit()
    except Exception:
        log.exception("Could not record import errors of %s", ", ".join(map(repr, errors)))
        if session is not None:
            session.rollback()


def _record(bundle_name: str, errors: Mapping[str, str], stale: bool, session: Any) -> None:
    from airflow._shared.timezones import timezone
    from airflow.dag_processing import collection
    from airflow.models.errors import ParseImportError
    from sqlalchemy import select

    texts = {storable(path)[:FILENAME_CHARACTERS]: storable(text) for path, text in errors.items()}
    if stale:
        collection._update_import_errors(
            files_parsed=set(),
            bundle_name=bundle_name,
            import_errors={(bundle_name, path): text for path, text in texts.items()},
            session=session,
        )
        return
    for path, text in texts.items():
        known = select(ParseImportError).where(
            ParseImportError.bundle_name == bundle_name, ParseImportError.filename == path
        )
        error = session.scalar(known)
        if error is None:
            error = ParseImportError(bundle_name=bundle_name, filename=path)
            session.add(error)
        # Why another version of the file stays out of the release is still true.
        error.stacktrace = joined(text, split(error.stacktrace)[1])
        error.timestamp = timezone.utcnow()
