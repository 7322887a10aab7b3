"""Keep a parse whose result cannot be recorded from ending the dag-processor.

NUL in a description, an integer out of range, a value too long for its column: the statement fails,
Airflow logs it and commits the broken session, which raises outside of any handler. The process
ends, starts, parses the same file, and ends again; no other file is parsed. Other failures are
logged only, and the user never sees why a DAG does not appear.

With this patch the session is rolled back and the failure becomes an import error of that file.
What was recorded of it before remains. A failure of the database itself (connection, lock,
failover) is not the file's: it is logged, and the file is parsed again after the usual interval.
No upstream report is known. The text of one is docs/upstream/recording-a-parse.md.
"""

import logging
import re
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from airflow_on_fargate import import_error_rows
from airflow_on_fargate.patches import replace, require

log = logging.getLogger(__name__)

# Classes of SQLSTATE that say nothing about the values: connection, rollback of a transaction (a
# deadlock), resources, locks, an operator's action and the system; and a server in recovery.
_OF_THE_DATABASE: Final = ("08", "40", "53", "55", "57", "58", "25006")
# A constraint may be violated by the file, or by another dag-processor at the same moment.
_CONSTRAINT: Final = "23"
# Data exceptions: the value is the reason, wherever the failure was handled.
_OF_THE_VALUE: Final = "22"
_INTEGER_LIMIT: Final = 2**31
_KEPT: Final = "Nothing of this parse is recorded. What was recorded of the file before remains."


def apply() -> None:
    """Surround the recording of each file's result."""
    require("apache-airflow", "3.3.2", "3.2.2")
    from airflow.dag_processing import collection, manager

    # Used by `import_error_rows`; missing names must be noticed now.
    _ = collection._update_import_errors
    replace(manager, "update_dag_parsing_results_in_db", _surviving)


def _surviving(original: Any) -> Any:
    def update_dag_parsing_results_in_db(
        *,
        bundle_name: str,
        import_errors: Mapping[tuple[str, str], str],
        files_parsed: set[tuple[str, str]] | None = None,
        session: Any,
        **named: Any,
    ) -> None:
        errors = {key: import_error_rows.storable(text) for key, text in import_errors.items()}
        # Airflow adds what it finds while it records.
        parsed_with = dict(errors)
        with _failed_statements(session) as failed:
            try:
                original(
                    bundle_name=bundle_name,
                    import_errors=errors,
                    files_parsed=files_parsed,
                    session=session,
                    **named,
                )
                if refused := _refused_value(failed):
                    # FAB writes permissions in this session, and rolls back what it could not
                    # flush: half of the parse would be committed.
                    raise refused
                if failed:
                    # Airflow may have logged the failure only. PostgreSQL would then turn the
                    # commit into a rollback without an error: ask it now.
                    session.connection().exec_driver_sql("SELECT 1")
                session.commit()
                return
            except Exception as error:
                session.rollback()
                failure = error
        path = _path(files_parsed, errors)
        failure = _first_cause(failure, failed)
        code = _code(failure)
        if _is_of_the_database(failure, code) or path is None:
            log.error("Could not record the parse of %s", path, exc_info=failure)
            return
        log.warning("The parse of %s cannot be recorded", path, exc_info=failure)
        texts = {key[1]: text for key, text in parsed_with.items()}
        texts[path] = "\n\n".join(filter(None, (texts.get(path), _text(failure, failed))))
        stale = not (code or "").startswith(_CONSTRAINT)
        import_error_rows.record(bundle_name, texts, stale=stale, session=session)

    return update_dag_parsing_results_in_db


@contextmanager
def _failed_statements(session: Any) -> Iterator[list[Any]]:
    """The statements that fail meanwhile, as SQLAlchemy's ExceptionContext."""
    from sqlalchemy import event

    engine, failed = session.get_bind(), []

    def note(context: Any) -> None:
        failed.append(context)

    event.listen(engine, "handle_error", note)
    try:
        yield failed
    finally:
        event.remove(engine, "handle_error", note)


def _refused_value(failed: list[Any]) -> Exception | None:
    """The failure of a statement for a value that its column cannot hold."""
    for context in failed:
        failure: Exception | None = context.sqlalchemy_exception
        if failure and (_code(failure) or "").startswith(_OF_THE_VALUE):
            return failure
    return None


def _path(files_parsed: set[tuple[str, str]] | None, errors: Mapping[Any, str]) -> str | None:
    """The parsed file. Airflow adds the paths of errors, such as those inside an archive, to it."""
    parsed = files_parsed or set()
    candidates = {path for _, path in parsed.difference(errors) or parsed}
    return min(candidates, key=lambda path: (len(path), path), default=None)


def _first_cause(error: Exception, failed: list[Any]) -> Exception:
    """The failure of the last statement, which later errors of the session only repeat."""
    from sqlalchemy.exc import SQLAlchemyError

    if failed and isinstance(error, SQLAlchemyError):
        cause: Exception = failed[-1].sqlalchemy_exception or failed[-1].original_exception
        return cause
    return error


def _code(error: Exception) -> str | None:
    """SQLSTATE."""
    code: str | None = getattr(getattr(error, "orig", None), "pgcode", None)
    return code


def _is_of_the_database(error: Exception, code: str | None) -> bool:
    from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

    if not isinstance(error, DBAPIError):
        return False
    if code is None:
        return error.connection_invalidated or isinstance(error, InterfaceError | OperationalError)
    return code.startswith(_OF_THE_DATABASE)


def _text(error: Exception, failed: list[Any]) -> str:
    """The reason in one line, without values, and what happens to the file's DAGs."""
    last = failed[-1] if failed else None
    original = getattr(error, "orig", None) or error
    if last is None or last.original_exception is not original:
        trace = "".join(traceback.format_exception(error))
        return f"The result of this file's parse cannot be recorded. {_KEPT}\n{trace}"
    reason = (str(original).splitlines() or [""])[0].strip().rstrip(".")
    where = " ".join((last.statement or "").split()[:3]).rstrip("(")
    columns = _suspects(last.parameters, reason)
    names = f" ({', '.join(columns)})" if columns else ""
    return f"{type(original).__name__}: {reason}, in {where}{names}\n{_KEPT}"


def _suspects(parameters: Any, reason: str) -> list[str]:
    """The columns whose values PostgreSQL cannot hold, as far as the values show it."""
    length = re.search(r"character varying\((\d+)\)", reason)
    limit = int(length[1]) if length else None

    def suspect(value: Any) -> bool:
        if isinstance(value, str):
            return "\0" in value or (limit is not None and len(value) > limit)
        return isinstance(value, int) and not -_INTEGER_LIMIT <= value < _INTEGER_LIMIT

    rows = parameters if isinstance(parameters, list | tuple) else [parameters]
    found = [
        # Statements with several rows number the names.
        re.sub(r"__\d+$", "", name)
        for row in rows
        if isinstance(row, Mapping)
        for name, value in row.items()
        if suspect(value)
    ]
    return list(dict.fromkeys(found))
