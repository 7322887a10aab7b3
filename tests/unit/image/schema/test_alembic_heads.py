"""The heads that this image needs, and those that a database has."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from airflow_on_fargate.schema import alembic_heads


def test_heads_equal_those_of_alembic() -> None:
    import airflow
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    for table, folder in alembic_heads.MIGRATIONS.items():
        config = Config()
        location = (Path(airflow.__file__).parent / folder).parent
        config.set_main_option("script_location", str(location))
        heads = ScriptDirectory.from_config(config).get_heads()
        assert alembic_heads.needed_heads()[table] == frozenset(heads)


def test_branches_have_several_heads(tmp_path: Path) -> None:
    (tmp_path / "1.py").write_text('revision = "a"\ndown_revision = None\n')
    (tmp_path / "2.py").write_text('revision: str = "b"\ndown_revision: str = "a"\n')
    (tmp_path / "3.py").write_text('revision = "c"\ndown_revision = "a"\n')
    assert alembic_heads.heads_of(tmp_path) == {"b", "c"}
    (tmp_path / "4.py").write_text('revision = "d"\ndown_revision = ("b", "c")\n')
    assert alembic_heads.heads_of(tmp_path) == {"d"}


def test_empty_folder_of_migrations_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no migrations"):
        alembic_heads.heads_of(tmp_path)


def test_mismatch_names_only_the_table_that_differs(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'db'}"
    needed = alembic_heads.needed_heads()
    with create_engine(url).begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
        for head in needed["alembic_version"]:
            connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": head})
    problem = alembic_heads.mismatch(url)
    [fab_head] = needed["alembic_version_fab"]
    assert str(problem) == f"alembic_version_fab is at nothing, but {fab_head} is needed"
