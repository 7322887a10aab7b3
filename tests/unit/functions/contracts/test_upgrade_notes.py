"""Notes about a schema change: the image and run_airflow_command write and read them."""

import pytest

from contracts.upgrade_notes import HeadsNote, QuiescedNote, heads_key


def test_heads_survive_writing_and_reading():
    note = HeadsNote({"alembic_version": frozenset({"a", "b"}), "alembic_version_fab": frozenset()})
    assert HeadsNote.from_bytes(note.to_bytes()) == note
    assert not note.called_off


def test_note_without_heads_calls_the_migration_off():
    assert HeadsNote.from_bytes(HeadsNote(None).to_bytes()).called_off


def test_stopped_services_survive_writing_and_reading():
    note = QuiescedNote("arn:task", {"arn:service/scheduler": 2})
    assert QuiescedNote.from_bytes(note.to_bytes()) == note


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'"heads"'])
def test_other_bytes_are_refused(data):
    for note in (HeadsNote, QuiescedNote):
        with pytest.raises(ValueError):
            note.from_bytes(data)


def test_key_of_the_heads_names_the_revision():
    assert heads_key("airflow-command:7") == "upgrades/airflow-command:7.json"
