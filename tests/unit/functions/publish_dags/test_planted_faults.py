"""The folder of planted faults: the publisher leaves out one half, and carries the other along."""

import pytest
from dag_folder import DagFolder
from faulty_dags import BEFORE, LEFT_OUT, healthy, import_errors, key_of

from publish_dags.publisher import Outcome


@pytest.fixture
def files() -> dict[str, bytes | str | None]:
    found: dict[str, bytes | str | None] = {key_of(p): data for p, (data, _) in LEFT_OUT.items()}
    found |= {f"faults/{name}": data for name, (data, _) in import_errors(50).items()}
    return found | healthy(460)[0]


def test_faults_that_compile_and_healthy_files_go_live(files):
    folder = DagFolder()
    first = folder.publish(dict(BEFORE)).release
    publication = folder.publish(files)
    assert publication.outcome is Outcome.PUBLISHED
    reasons = {each.path: each.reason for each in publication.exclusions}
    assert set(reasons) == set(LEFT_OUT)
    wrong = {p: reasons[p] for p, (_, reason) in LEFT_OUT.items() if reason not in reasons[p]}
    assert wrong == {}
    kept = {each.path: each.kept for each in publication.exclusions if each.kept}
    assert kept == {"out/kept.py": first, "out/kept_module.py": first}
    live = {path: data for path, data in files.items() if path not in map(key_of, LEFT_OUT)}
    assert folder.current_files == live | dict(BEFORE)


def test_every_fault_refuses_the_release_when_strict(files):
    folder = DagFolder(strict=True)
    first = folder.publish(dict(BEFORE)).release
    publication = folder.publish(files)
    assert (publication.outcome, publication.release) == (Outcome.REFUSED, first)
    assert {problem.path for problem in publication.problems} == set(LEFT_OUT)
    assert folder.current_files == BEFORE


@pytest.mark.parametrize("path", LEFT_OUT)
def test_each_fault_alone_refuses_the_release_when_strict(path):
    folder = DagFolder(strict=True)
    folder.publish(dict(BEFORE) | healthy(20)[0])
    before = folder.current_files
    assert folder.publish({key_of(path): LEFT_OUT[path][0]}).outcome is Outcome.REFUSED
    assert folder.current_files == before
