"""Import every DAG file in the environment of the image; what Airflow finds in it."""

import ast
import json
import re
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from check_dags.findings import Case, CheckResult, Dag, Finding, Import
from check_dags.project import ProgramError, Project, inside, run_program

# Airflow itself takes this long to import on a busy machine.
_START_SECONDS = 180.0
_PLACE = re.compile(r'File "(?P<path>[^"]+)", line (?P<line>\d+)')


def import_files(project: Project) -> tuple[CheckResult, list[Import]]:
    """A finding for each file that Airflow could not import, with the line that raised.

    Raises:
        ProgramError: Airflow itself cannot be imported with this interpreter.
    """
    limits = project.settings.imports
    answers = _run(project)
    findings, imports, cases = [], [], []
    for each in answers:
        path = project.shown(each["path"])
        found = [*_findings(project, path, each)]
        findings += found
        failure = "\n".join(str(finding) for finding in found)
        seconds = each.get("work_seconds", each["seconds"])
        cases.append(Case(path, seconds, failure, path=path))
        dags = [_dag(project, dag) for dag in each["dags"]]
        imports.append(Import(path, seconds, each["peak_mib"], dags))
    findings += _repeated(imports)
    count = sum(len(each.dags) for each in imports)
    summary = (
        f"{len(imports)} files, {count} DAGs; at most {limits.seconds:g} s and "
        f"{limits.memory_mib} MiB each"
    )
    if not imports:
        findings.append(Finding("no-dags", "no file contains a DAG", project.shown(project.folder)))
    return CheckResult("import", summary, findings, cases), imports


def _run(project: Project) -> list[dict[str, Any]]:
    limits = project.settings.imports
    # Resolved, because Airflow and tracebacks name resolved paths.
    with tempfile.TemporaryDirectory(prefix="check-dags-") as name:
        home = Path(name).resolve()
        result = home / "imports.json"
        request = {
            "folder": str(project.folder),
            "seconds": limits.seconds,
            "memory_mib": limits.memory_mib,
            "result": str(result),
        }
        files = max(1, len(project.python_files))
        done = run_program(
            [project.python, inside("import_files")],
            _START_SECONDS + (limits.seconds + 1) * files,
            project.environment(home),
            home,
            json.dumps(request),
        )
        if done.status or not result.exists():
            raise ProgramError(
                f"Airflow cannot be imported with {project.python} (exit status {done.status}):\n"
                f"{done.output}"
            )
        answers: list[dict[str, Any]] = json.loads(result.read_text())
        return answers


def _findings(project: Project, path: str, answer: Mapping[str, Any]) -> Iterable[Finding]:
    limits = project.settings.imports
    printed = f"; it printed: {answer['output'].strip()}" if answer["output"].strip() else ""
    ended = answer.get("ended")
    if ended == "time":
        message = f"the import did not end within {limits.seconds:g} s{printed}"
        yield Finding("import-time", message, path)
    elif ended:
        yield Finding("import-ended", f"the import ended its process: {ended}{printed}", path)
    for text in answer["errors"]:
        where, line = _place(project, text) or (path, None)
        message = _last_line(text)
        if "MemoryError" in text:
            message = f"the import needs more than {limits.memory_mib} MiB ({message})"
            yield Finding("import-memory", message, where, line)
        else:
            yield Finding("import-error", message, where, line)


def _place(project: Project, text: str) -> tuple[str, int] | None:
    """The innermost place in the project that a traceback names."""
    for found in reversed(list(_PLACE.finditer(text))):
        path = Path(found["path"])
        if path.is_absolute() and path.is_relative_to(project.root):
            return project.shown(path), int(found["line"])
    return None


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    return lines[-1] if lines else "the import failed without a text"


def _repeated(imports: Iterable[Import]) -> Iterable[Finding]:
    """Airflow shows one of two DAGs with the same id, and not always the same one."""
    first: dict[str, Dag] = {}
    for each in imports:
        for dag in each.dags:
            other = first.setdefault(dag.dag_id, dag)
            if other.path != dag.path:
                message = f"the DAG {dag.dag_id!r} is also in {other.path}"
                yield Finding("repeated-dag", message, dag.path, dag.line)


def _dag(project: Project, described: Mapping[str, Any]) -> Dag:
    path = project.shown(described["path"])
    return Dag(
        described["dag_id"],
        path,
        _line_of_dag(project.root / path, described["dag_id"]),
        described["owner"],
        described["tags"],
        described["retries"],
        described["least_retried"],
    )


def _line_of_dag(path: Path, dag_id: str) -> int | None:
    """The first line that contains the id as a literal, or as the name of a function."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        return None
    lines = [
        node.lineno
        for node in ast.walk(tree)
        if (isinstance(node, ast.Constant) and node.value == dag_id)
        or (isinstance(node, ast.FunctionDef) and node.name == dag_id)
    ]
    return min(lines, default=None)
