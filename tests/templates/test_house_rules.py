"""Every template keeps the rules of the house, and every rule can be broken."""

from pathlib import Path

import pytest
from house_rules import RULES
from template_files import TemplateFile, all_templates, template_file

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.mark.parametrize("template", all_templates(), ids=lambda template: template.name)
@pytest.mark.parametrize("rule", RULES)
def test_template_keeps_the_rule_when_read(rule: str, template: TemplateFile) -> None:
    assert list(RULES[rule](template)) == []


@pytest.mark.parametrize("rule", RULES)
def test_rule_reports_a_breach_when_a_template_breaks_it(rule: str) -> None:
    path = FIXTURES / f"{rule}.yaml"
    expected = [line[2:] for line in path.read_text().splitlines() if line.startswith("#!")]
    found = list(RULES[rule](template_file(path)))
    assert len(found) == len(expected), found
    for problem, words in zip(found, expected, strict=True):
        assert words.strip() in problem


def test_fixtures_match_the_rules_when_listed() -> None:
    assert {path.stem for path in FIXTURES.glob("*.yaml")} - {"child"} == set(RULES)
