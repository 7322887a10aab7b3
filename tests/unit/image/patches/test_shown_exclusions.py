"""A parse or a scan leaves the reason why a file stays out of the release; SQLite in memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from airflow._shared.timezones import timezone
from airflow.models.errors import ParseImportError
from sqlalchemy import create_engine, delete, select
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from airflow_on_fargate.import_error_rows import LEFT_OUT
from airflow_on_fargate.patches.dag_processor import shown_exclusions

Rows = Callable[[], dict[str | None, str | None]]
BOTH = f"Traceback\n\n{LEFT_OUT}bad"


@pytest.fixture
def session() -> Session:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    ParseImportError.metadata.tables["import_error"].create(engine)
    return Session(engine)


@pytest.fixture
def rows(session: Session) -> Rows:
    return lambda: {e.filename: e.stacktrace for e in session.scalars(select(ParseImportError))}


def add(session: Session, **texts: str) -> None:
    for name, text in texts.items():
        error = ParseImportError(
            filename=f"{name}.py", stacktrace=text, bundle_name="b", timestamp=timezone.utcnow()
        )
        session.add(error)
    session.commit()


def record(session: Session, *parsed: str, **errors: str) -> None:
    """Record the parse of files, as Airflow does: each with an error, or without."""

    def original(files_parsed: Any, bundle_name: str, import_errors: Any, session: Session) -> None:
        for _, path in files_parsed:
            session.execute(delete(ParseImportError).where(ParseImportError.filename == path))
        for (_, path), text in import_errors.items():
            row = ParseImportError(
                filename=path, stacktrace=text, bundle_name=bundle_name, timestamp=timezone.utcnow()
            )
            session.add(row)

    shown_exclusions._keeping_reasons(original)(
        files_parsed={("b", f"{name}.py") for name in (*parsed, *errors)},
        bundle_name="b",
        import_errors={("b", f"{name}.py"): text for name, text in errors.items()},
        session=session,
    )


def test_a_parse_of_the_live_version_leaves_the_reason(session: Session, rows: Rows) -> None:
    add(session, a=LEFT_OUT + "bad", b="Traceback", other=LEFT_OUT + "other")
    record(session, "a", "b")
    assert rows() == {"a.py": LEFT_OUT + "bad", "other.py": LEFT_OUT + "other"}


def test_the_reason_follows_an_import_error_of_the_live_version(
    session: Session, rows: Rows
) -> None:
    add(session, a=LEFT_OUT + "bad")
    record(session, a="Traceback", b="Traceback")
    assert rows() == {"a.py": BOTH, "b.py": "Traceback"}


def test_only_the_reason_is_left_when_the_live_version_has_no_error_any_more(
    session: Session, rows: Rows
) -> None:
    add(session, a=BOTH)
    record(session, "a")
    assert rows() == {"a.py": LEFT_OUT + "bad"}


def test_a_scan_leaves_the_reason_of_a_file_that_is_not_there(
    session: Session, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def create_session(scoped: bool) -> Iterator[Session]:
        yield session
        session.commit()

    monkeypatch.setattr("airflow.utils.session.create_session", create_session)
    add(session, gone=BOTH, there=BOTH, failed="Traceback")
    seen: list[Any] = []
    scan = shown_exclusions._keeping_reasons_of_absent(lambda *_, **named: seen.append(named))
    scan(None, bundle_name="b", observed_filelocs={"there.py"})
    assert seen == [{"bundle_name": "b", "observed_filelocs": {"there.py", "gone.py"}}]
    expected = {"gone.py": LEFT_OUT + "bad", "there.py": BOTH, "failed.py": "Traceback"}
    assert rows() == expected


def test_a_scan_goes_on_when_the_database_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def create_session(scoped: bool) -> Any:
        raise OSError("no answer")

    monkeypatch.setattr("airflow.utils.session.create_session", create_session)
    seen: list[Any] = []
    scan = shown_exclusions._keeping_reasons_of_absent(lambda *_, **named: seen.append(named))
    scan(None, "b", {"there.py"})
    assert seen == [{"bundle_name": "b", "observed_filelocs": {"there.py"}}]
