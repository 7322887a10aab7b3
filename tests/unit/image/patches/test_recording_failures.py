"""A parse that cannot be recorded becomes an import error, unless the database is the reason."""

from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DataError, IntegrityError, OperationalError, PendingRollbackError
from sqlalchemy.orm import Session

from airflow_on_fargate import import_error_rows
from airflow_on_fargate.patches.dag_processor import recording_failures
from airflow_on_fargate.releases.watch import failure

Records = list[tuple[dict[str, str], bool]]


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> Records:
    """Errors and `stale` of each call."""
    made: Records = []

    def record(bundle_name: str, errors: dict[str, str], *, stale: bool, session: Any) -> None:
        assert bundle_name == "releases"
        made.append((dict(errors), stale))

    monkeypatch.setattr(import_error_rows, "record", record)
    return made


def update(
    recording: Any, errors: dict[str, str] | None = None, session: Session | None = None
) -> Session:
    """Call the patched function around `recording(session, import_errors)` for a.py."""
    session = session or Session(create_engine("sqlite://"))

    def original(*, session: Any, import_errors: Any, **_: Any) -> None:
        recording(session, import_errors)

    recording_failures._surviving(original)(
        bundle_name="releases",
        import_errors={("releases", path): error for path, error in (errors or {}).items()},
        files_parsed={("releases", path) for path in {"a.py", *(errors or {})}},
        session=session,
        dags=[],
    )
    return session


def raising(error: Exception) -> Any:
    def recording(*_: Any) -> None:
        raise error

    return recording


def test_result_is_committed(records: Records) -> None:
    engine = create_engine("sqlite://")

    def recording(session: Any, _: Any) -> None:
        session.execute(text("CREATE TABLE found (name TEXT)"))
        session.execute(text("INSERT INTO found VALUES ('a')"))

    session = update(recording, session=Session(engine))
    session.rollback()
    assert session.scalar(text("SELECT name FROM found")) == "a"
    assert records == []


@pytest.mark.parametrize(
    ("error", "code", "recorded"),
    [
        (DataError, "22003", True),
        (OperationalError, "54000", True),
        (IntegrityError, "23505", False),
        (OperationalError, "40P01", None),
        (OperationalError, "57P01", None),
        (OperationalError, "55P03", None),
        (OperationalError, "53100", None),
        (OperationalError, None, None),
    ],
    ids=[
        "value", "limit", "constraint", "deadlock", "restart", "lock", "full disk", "connection"
    ],
)  # fmt: skip
def test_failure_of_the_database_is_not_an_error_of_the_file(
    records: Records, error: Any, code: str | None, recorded: bool | None
) -> None:
    original = type("Original", (Exception,), {"pgcode": code})("the reason")
    update(raising(error("INSERT INTO dag (a)", {}, original)))
    assert [stale for _, stale in records] == ([] if recorded is None else [recorded])


def test_other_failure_is_recorded_with_its_traceback(records: Records) -> None:
    update(raising(KeyError("timetable")))
    [(errors, stale)] = records
    assert stale
    assert failure("a.py", errors["a.py"]).error == "KeyError"
    assert "What was recorded of the file before remains" in errors["a.py"]


def test_errors_of_the_parse_are_recorded_too(records: Records) -> None:
    update(raising(KeyError("timetable")), {"a.py": "SyntaxError: \0", "b.py": "NameError: b"})
    [(errors, _)] = records
    assert errors["a.py"].startswith("SyntaxError: \\x00\n\nThe result")
    assert errors["b.py"] == "NameError: b"


def test_failed_statement_is_the_reason_when_the_session_hides_it() -> None:
    session = Session(create_engine("sqlite://"))
    hidden = PendingRollbackError("This Session's transaction has been rolled back")
    with recording_failures._failed_statements(session) as failed, pytest.raises(OperationalError):
        session.execute(text("SELECT 1 FROM missing"))
    cause = recording_failures._first_cause(hidden, failed)
    assert recording_failures._text(cause, failed) == (
        "OperationalError: no such table: missing, in SELECT 1 FROM\n"
        "Nothing of this parse is recorded. What was recorded of the file before remains."
    )


def test_failure_that_airflow_only_logged_is_noticed(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    aborted = type("Aborted", (Exception,), {"pgcode": "25P02"})("transaction is aborted")
    session = Session(create_engine("sqlite://"))

    def recording(session: Any, _: Any) -> None:
        with pytest.raises(OperationalError):
            session.execute(text("SELECT 1 FROM missing"))
        connection = SimpleNamespace(
            exec_driver_sql=raising(DataError("SELECT 1", {}, aborted)),
        )
        monkeypatch.setattr(session, "connection", lambda: connection)

    monkeypatch.setattr(recording_failures, "_is_of_the_database", lambda *_: False)
    update(recording, session=session)
    [(errors, _)] = records
    assert errors["a.py"].startswith("OperationalError: no such table: missing")


@pytest.mark.parametrize(
    ("parsed", "errors", "path"),
    [
        ({"a.py"}, set(), "a.py"),
        ({"a.py"}, {"a.py"}, "a.py"),
        ({"a.zip", "a.zip/b.py"}, {"a.zip/b.py"}, "a.zip"),
        ({"a.zip", "a.zip/b.py"}, {"a.zip", "a.zip/b.py"}, "a.zip"),
        (set(), set(), None),
    ],
)
def test_parsed_file_is_found(parsed: set[str], errors: set[str], path: str | None) -> None:
    keys = {("releases", name): "" for name in errors}
    assert recording_failures._path({("releases", name) for name in parsed}, keys) == path


def test_columns_that_cannot_hold_their_values_are_named() -> None:
    rows = {"description__0": "a\0", "name__0": "b", "max_runs__1": 2**31, "name__1": "c" * 11}
    suspects = recording_failures._suspects
    assert suspects(rows, "") == ["description", "max_runs"]
    assert suspects([rows], "too long for type character varying(10)") == [
        "description", "max_runs", "name",
    ]  # fmt: skip
    assert suspects(("positional",), "") == []
