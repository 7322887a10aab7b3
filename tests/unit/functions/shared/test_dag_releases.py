"""The limits of DAG releases, and the problems of a wrong description."""

import pytest

from shared.dag_releases import DagReleases, read_dag_releases


def test_defaults_apply_where_nothing_is_described():
    assert read_dag_releases("{}") == (DagReleases(20000, 128, 50, 30), [])
    assert read_dag_releases('{"kept": 2}') == (DagReleases(20000, 128, 2, 30), [])


def test_described_limits_replace_the_defaults():
    text = '{"maxFiles": 1, "maxMib": 2, "kept": 3, "keptDays": 0}'
    assert read_dag_releases(text) == (DagReleases(1, 2, 3, 0), [])


def test_is_strict_only_when_described_so():
    assert not read_dag_releases("{}")[0].strict
    assert not read_dag_releases('{"mode": "forgiving"}')[0].strict
    assert read_dag_releases('{"mode": "strict"}') == (DagReleases(mode="strict"), [])
    assert read_dag_releases('{"mode": "strict"}')[0].strict


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "DagReleases is not valid JSON (line 1, column 2: "),
        ("3", "DagReleases is not a JSON object"),
        ('{"kept": 1}', "DagReleases.kept is 1: choose a whole number from 2 to 10000."),
        ('{"keptDays": 3651}', "choose a whole number from 0 to 3650"),
        ('{"maxMib": 513}', "choose a whole number from 1 to 512"),
        ('{"maxFiles": "1"}', 'DagReleases.maxFiles is "1": choose'),
        ('{"maxFiles": true}', "DagReleases.maxFiles is true: choose"),
        (
            '{"days": 1}',
            "the unknown key 'days': choose among maxFiles, maxMib, kept, keptDays, mode.",
        ),
        ('{"mode": "lax"}', 'DagReleases.mode is "lax": choose forgiving or strict.'),
        ('{"mode": ["strict"]}', 'DagReleases.mode is ["strict"]: choose forgiving or strict.'),
    ],
)
def test_reports_place_and_remedy_when_a_description_is_wrong(text, expected):
    _, (problem,) = read_dag_releases(text)
    assert expected in problem
