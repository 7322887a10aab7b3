"""Faults in what the dag-processor parses again."""

from tests.mutation.mutant import Mutant

_SOURCE = "images/airflow/src/airflow_on_fargate"
_INPUTS = f"{_SOURCE}/releases/parse_inputs.py"
_ROWS = f"{_SOURCE}/releases/settled_rows.py"
_SETTLED = f"{_SOURCE}/releases/settled.py"
_PATCH = f"{_SOURCE}/patches/dag_processor/settled_files.py"
_ON_DATABASE = (("tests/integration/image/test_settled_rows.py",),)
_WITH_AIRFLOW = (("tests/integration/image/test_settled_files.py",),)

FAULTS = (
    Mutant(
        "helper-is-no-input",
        _INPUTS,
        "left.extend(self._by_module.get(each, ()))",
        "left.extend(())",
        "a DAG keeps what a former version of its helper module said",
    ),
    Mutant(
        "data-is-no-input",
        _INPUTS,
        "digest = _digest(data | {each",
        "digest = _digest({each",
        "a DAG keeps a former version of its SQL or YAML",
    ),
    Mutant(
        "file-without-extension-is-no-template",
        _INPUTS,
        "if not extension or any(self._mentions",
        "if any(self._mentions",
        "a change of .airflowignore, or of a template without an extension, is not noticed",
    ),
    Mutant(
        "dynamic-file-is-taken-over",
        _SETTLED,
        "return not parse.dynamic and self",
        "return self",
        "a DAG that became static in the code's eyes keeps what a Variable said before the start",
    ),
    Mutant(
        "result-of-a-dynamic-file-does-not-count",
        _SETTLED,
        'both = f"{both} {result}"',
        'both = f"{both}"',
        "a result that Airflow did not write is not noticed for five minutes",
    ),
    Mutant(
        "any-decorator-is-a-task",
        _INPUTS,
        "decorator.id in self._task_decorators",
        "decorator.id in _TASK_DECORATORS",
        "a file whose decorator calls its function at once is not parsed again",
    ),
    Mutant(
        "getattr-is-static",
        _INPUTS,
        "currentframe stack getattr attrgetter methodcaller",
        "currentframe stack",
        "a file that finds the time by its name is not parsed again",
    ),
    Mutant(
        "environment-is-no-input",
        _SETTLED,
        'both = f"{inputs.digest} {environment}"',
        'both = f"{inputs.digest}"',
        "DAGs keep what another image or another setting gave",
    ),
    Mutant(
        "plugins-do-not-count",
        f"{_SOURCE}/releases/environment.py",
        '            yield f"{path}\\0{status.st_size}\\0{status.st_mtime_ns}\\n"\n',
        '            yield f"{path}\\0"\n',
        "DAGs keep what a former version of a plugin gave",
    ),
    Mutant(
        "any-parse-of-a-file-is-valid",
        _ROWS,
        "return _only(rows) == parse if rows else parse.dags == 0",
        "return bool(rows) and len(rows) == parse.dags if rows else parse.dags == 0",
        "a parse that could not be recorded is not repeated",
        _ON_DATABASE,
    ),
    Mutant(
        "missing-structure-is-not-noticed",
        _ROWS,
        "                select(SerializedDagModel.id).where(serialized).exists(),\n",
        "",
        "a DAG whose serialized form was deleted never runs again",
        _ON_DATABASE,
    ),
    Mutant(
        "full-dag-stays-full",
        _ROWS,
        "if dag.exceeds_max_non_backfill and active.get",
        "if False and active.get",
        "a DAG gets no run for half an hour after its active run was deleted",
        _ON_DATABASE,
    ),
    Mutant(
        "deleted-run-is-not-noticed",
        _ROWS,
        "if former and (not dag.last_run or dag.last_run < former):",
        "if False and (not dag.last_run or dag.last_run < former):",
        "a deleted run is not created again for half an hour",
        _ON_DATABASE,
    ),
    Mutant(
        "move-waits-for-locks",
        _ROWS,
        "key_share=True, skip_locked=True",
        "key_share=True",
        "a lock of the scheduler delays the dag-processor, or ends one of them as a deadlock",
        _ON_DATABASE,
    ),
    Mutant(
        "watchers-are-settled",
        _PATCH,
        "if _has_watchers(list(dags.values())):",
        "if not dags:",
        "a watcher of an asset does not start when its DAG is resumed",
    ),
    Mutant(
        "settled-with-num-runs",
        _PATCH,
        "return manager.max_runs == -1 and interval_seconds() > 0",
        "return interval_seconds() > 0",
        "`airflow dag-processor --num-runs 2` never ends",
    ),
    Mutant(
        "adopted-now",
        _PATCH,
        "last_finish_time=found.at)",
        "last_finish_time=found.at + timedelta(hours=1))",
        "each start of the dag-processor makes the DAGs stale that it does not parse",
    ),
    Mutant(
        "old-files-at-once",
        _PATCH,
        "SECONDS_BETWEEN_OLD_FILES: Final = 10.0",
        "SECONDS_BETWEEN_OLD_FILES: Final = 0.0",
        "a thousand files are parsed again without a pause every half hour",
    ),
    Mutant(
        "no-fingerprint-in-the-database",
        _PATCH,
        "version_data=parse.as_version_data() if parse else version_data,",
        "version_data=version_data,",
        "every file is parsed every 30 seconds and after each start",
        _WITH_AIRFLOW,
    ),
)
