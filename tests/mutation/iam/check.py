"""What `tests/templates/test_calls.py` would say of a mutant, for all mutants in one process.

The test resolves the templates and asks whether every known call gets its answer. To start it for
each of some 240 mutants would take an hour; here only the changed template is read again, and all
questions are decided together.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cfnlint.decode import cfn_yaml

from tests.mutation.iam.statements import ROOT, StatementMutant
from tests.mutation.mutant import MutantError

sys.path.insert(0, str(ROOT / "tests" / "templates" / "support"))

import calls
import written_calls
from dry_deployment import ParameterError
from policies import policies_of
from template_files import TemplateFile, plain, root, template_file

Content = dict[str, Any]


@dataclass(frozen=True)
class ChangedFile(TemplateFile):
    """A template of a tree in which some are changed."""

    content: Content = field(default_factory=dict)
    changed: dict[Path, Content] = field(default_factory=dict)

    @property
    def written(self) -> Content:  # type: ignore[override]
        return self.content

    def child(self, stack: dict[str, dict[str, str]]) -> TemplateFile:
        path = (self.path.parent / stack["Properties"]["TemplateURL"]).resolve()
        return ChangedFile(path, _content(path, self.changed), self.changed)


def noticed(mutants: Sequence[StatementMutant]) -> dict[str, str]:
    """The mutants that change the answer to a known call → that call."""
    known = [*calls.recorded(), *written_calls.CALLS]
    before = {name: policies_of(each) for name, each in calls.deployments().items()}
    for name, deployment in calls.deployments().items():
        if failing := calls.wrong(calls.questions(known, before[name], deployment)):
            raise MutantError(f"{failing[0]} without any mutant: correct it first")
    found: dict[str, str] = {}
    asked: list[tuple[str, calls.Question]] = []
    for mutant in mutants:
        template = _planted(mutant)
        for name in calls.CLASSES:
            deployment = calls.deployment_of(name, template)
            try:
                policies = policies_of(deployment)
            except (LookupError, ParameterError) as error:
                found[mutant.name] = f"class {name} cannot be resolved: {error}"
                break
            asked += [
                (mutant.name, question)
                for question in calls.questions(known, policies, deployment)
                if question.documents != before[name].get(question.call.subject)
            ]
    answers = calls.decisions([question for _name, question in asked])
    for (name, question), answer in zip(asked, answers, strict=True):
        if answer != question.call.wanted:
            found.setdefault(name, f"{question.call}: {answer}")
    return found


def _planted(mutant: StatementMutant) -> TemplateFile:
    path = (ROOT / mutant.path).resolve()
    changed = {path: plain(cfn_yaml.loads(mutant.changed(path.read_text())))}
    return ChangedFile(root().path, _content(root().path, changed), changed)


def _content(path: Path, changed: dict[Path, Content]) -> Content:
    return changed.get(path) or template_file(path).written
