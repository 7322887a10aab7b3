"""The rules that a team switched on, for every DAG that Airflow found."""

import re
from collections.abc import Iterable, Sequence

from check_dags.findings import CheckResult, Dag, Finding, Import
from check_dags.settings import RuleSettings

# What Airflow takes for a task without an owner.
_DEFAULT_OWNER = "airflow"


def check_rules(rules: RuleSettings, imports: Sequence[Import]) -> CheckResult:
    """A finding for each rule that a DAG, or the import of a file, breaks."""
    if rules == RuleSettings():
        return CheckResult("rules", skipped="no rule is switched on")
    findings: list[Finding] = []
    for each in imports:
        if rules.import_seconds is not None and each.seconds > rules.import_seconds:
            message = (
                f"the import takes {each.seconds:.1f} s, and {rules.import_seconds:g} s are "
                "allowed: move work from the top level into tasks"
            )
            findings.append(Finding("rule-import-seconds", message, each.path))
        for dag in each.dags:
            findings += _broken(rules, dag)
    count = sum(len(each.dags) for each in imports)
    return CheckResult("rules", f"{count} DAGs", findings)


def _broken(rules: RuleSettings, dag: Dag) -> Iterable[Finding]:
    def finding(rule: str, message: str) -> Finding:
        return Finding(f"rule-{rule}", f"the DAG {dag.dag_id!r} {message}", dag.path, dag.line)

    owners = {owner.strip() for owner in dag.owner.split(",")} - {""}
    if rules.owner is True and (not owners or _DEFAULT_OWNER in owners):
        yield finding("owner", "has tasks without an owner: set owner in default_args")
    elif isinstance(rules.owner, tuple) and (unknown := sorted(owners - set(rules.owner))):
        allowed = ", ".join(rules.owner)
        yield finding("owner", f"belongs to {', '.join(unknown)}: choose among {allowed}")
    if rules.tags is not None and len(dag.tags) < rules.tags:
        yield finding("tags", f"has {len(dag.tags)} tags, and needs {rules.tags}")
    if rules.retries is not None and dag.retries is not None and dag.retries < rules.retries:
        tasks = ", ".join(dag.least_retried)
        message = f"has tasks with {dag.retries} retries, and needs {rules.retries}: {tasks}"
        yield finding("retries", message)
    if rules.dag_id is not None and not re.fullmatch(rules.dag_id, dag.dag_id):
        yield finding("dag-id", f"does not match {rules.dag_id}")
