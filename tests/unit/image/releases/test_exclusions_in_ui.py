"""Files that stay out of a release are import errors of the bundle; SQLite in memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from airflow._shared.timezones import timezone
from airflow.models.errors import ParseImportError
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from airflow_on_fargate.import_error_rows import LEFT_OUT
from airflow_on_fargate.releases import usage
from airflow_on_fargate.releases.usage import AirflowDatabase

Rows = Callable[[], dict[str | None, str | None]]


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    ParseImportError.metadata.tables["import_error"].create(engine)
    session = Session(engine)

    @contextmanager
    def one() -> Iterator[Session]:
        yield session
        session.commit()

    monkeypatch.setattr(usage, "_session", one)
    return session


@pytest.fixture
def rows(session: Session) -> Rows:
    return lambda: {e.filename: e.stacktrace for e in session.scalars(select(ParseImportError))}


def add(session: Session, path: str, text: str, bundle: str = "releases") -> None:
    now = timezone.utcnow()
    session.add(ParseImportError(filename=path, stacktrace=text, bundle_name=bundle, timestamp=now))
    session.commit()


def test_adds_changes_and_removes_what_stays_out(session: Session, rows: Rows) -> None:
    database = AirflowDatabase("releases")
    add(session, "other.py", "Traceback")
    add(session, "foreign.py", LEFT_OUT + "no", bundle="examples")
    kept = {"other.py": "Traceback", "foreign.py": LEFT_OUT + "no"}
    database.show_exclusions({"a.py": "no", "dags//b.py": "odd"})
    assert rows() == kept | {"a.py": LEFT_OUT + "no", "dags//b.py": LEFT_OUT + "odd"}
    database.show_exclusions({"a.py": "other reason"})
    assert rows() == kept | {"a.py": LEFT_OUT + "other reason"}
    database.show_exclusions({})
    assert rows() == kept


def test_follows_what_airflow_says_of_the_same_file(session: Session, rows: Rows) -> None:
    database = AirflowDatabase("releases")
    add(session, "a.py", "Traceback\nE: no\n")
    database.show_exclusions({"a.py": "bad"})
    assert rows() == {"a.py": f"Traceback\nE: no\n\n{LEFT_OUT}bad"}
    database.show_exclusions({"a.py": "worse"})
    assert rows() == {"a.py": f"Traceback\nE: no\n\n{LEFT_OUT}worse"}
    # Only Airflow's part is reported as an import error of the release.
    assert [each.stacktrace for each in database.import_errors()] == ["Traceback\nE: no"]
    database.show_exclusions({})
    assert rows() == {"a.py": "Traceback\nE: no"}


def test_does_not_report_what_stays_out_as_a_failed_import(session: Session) -> None:
    database = AirflowDatabase("releases")
    database.show_exclusions({"a.py": "no"})
    add(session, "b.py", "Traceback")
    assert [each.path for each in database.import_errors()] == ["b.py"]


def test_a_name_that_is_too_long_for_the_column_is_cut(session: Session, rows: Rows) -> None:
    database = AirflowDatabase("releases")
    for _ in range(2):
        database.show_exclusions({"x" * 1100: "too long"})
    assert list(rows()) == ["x" * 1024]
