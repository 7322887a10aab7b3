"""Parse a file again when it has changed, and not every 30 seconds.

Airflow parses every file again after `[dag_processor] min_file_process_interval`, whether or not it
has changed, and a small file takes a tenth of a second of a CPU or more. A DAG release says which
files differ, and the source of most files says that their parse depends on nothing else.

With this patch such a file is parsed again when a release changes it, or a module that it imports,
or any file that is not Python source; when one of its DAGs is missing in the database; and after
`[dag_processor] settled_file_process_interval` seconds (1800; 0 turns this patch off). Dynamic
files, files with an import error and other bundles keep Airflow's interval. Callbacks, and files
that a user asks to be parsed, are not delayed. See `releases.settled` and `releases.parse_inputs`.
Not a correction: Airflow's bundles cannot say what has changed.
"""

import logging
from datetime import timedelta
from typing import Any, Final

from airflow_on_fargate.patches import replace, require

log = logging.getLogger(__name__)

DEFAULT_INTERVAL_SECONDS: Final = 1800

# By the bundle's name.
_settled: dict[str, Any] = {}
_inputs: dict[str, Any] = {}
_read: dict[str, Any] = {}


def apply() -> None:
    """Surround the refresh, the end of each parse, and the choice of files to parse again."""
    # Airflow 3.2, from which an upgrade may start, parses as usual.
    if not require("apache-airflow", "3.3.2", without=("3.2.2",)):
        return
    from airflow.dag_processing.manager import DagFileProcessorManager

    replace(DagFileProcessorManager, "_refresh_dag_bundles", _following)
    replace(DagFileProcessorManager, "handle_parsing_result", _noting)
    replace(DagFileProcessorManager, "prepare_file_queue", _without_settled)


def interval_seconds() -> float:
    """How long a settled file is not parsed again."""
    from airflow.configuration import conf

    return float(
        conf.getfloat(
            "dag_processor", "settled_file_process_interval", fallback=DEFAULT_INTERVAL_SECONDS
        )
    )


def _following(original: Any) -> Any:
    def _refresh_dag_bundles(self: Any, known_files: Any) -> None:
        before = dict(self._bundle_versions)
        original(self, known_files)
        for bundle in self._dag_bundles:
            old, new = before.get(bundle.name), self._bundle_versions.get(bundle.name)
            if new != old:
                _inputs.pop(bundle.name, None)
            if old and new and new != old and bundle.name in _settled:
                due = {*self._file_queue, *self._processors}
                changed = _settled[bundle.name].follow(
                    old,
                    new,
                    _inputs_of(bundle, new).of,
                    {str(file.rel_path) for file in due if file.bundle_name == bundle.name},
                )
                _queue(self, changed, known_files.get(bundle.name, ()))

    return _refresh_dag_bundles


def _queue(manager: Any, paths: set[str], files: Any) -> None:
    wanted = [file for file in files if str(file.rel_path) in paths]
    if wanted:
        manager._add_files_to_queue(wanted, mode="front")


def _noting(original: Any) -> Any:
    def handle_parsing_result(self: Any, file: Any, proc: Any, *rest: Any, **named: Any) -> Any:
        result = original(self, file, proc, *rest, **named)
        # Only callbacks carry a release.
        if file.bundle_version is None and not proc.had_callbacks:
            try:
                _note(self, file, proc.parsing_result)
            except Exception:
                log.exception("Could not tell what the parse of %s depends on", file.rel_path)
        return result

    return handle_parsing_result


def _note(manager: Any, file: Any, parsed: Any) -> None:
    from airflow_on_fargate.releases.bundle import ReleaseDagBundle
    from airflow_on_fargate.releases.settled import SettledFiles
    from airflow_on_fargate.releases.settled_rows import DagRows

    name, path = file.bundle_name, str(file.rel_path)
    bundle = next((each for each in manager._dag_bundles if each.name == name), None)
    if not isinstance(bundle, ReleaseDagBundle) or interval_seconds() <= 0:
        return
    files = _settled.setdefault(name, SettledFiles(DagRows(name)))
    release = manager._bundle_versions.get(name)
    served = bundle.get_current_version()
    # The manager's version is not the bundle's while the database does not take a new one.
    certain = release and served and served.version == release
    if parsed is None or parsed.import_errors or not certain:
        files.forget(path)
        return
    inputs = _inputs_of(bundle, release).of(path)
    files.note(path, release, inputs, len({dag.dag_id for dag in parsed.serialized_dags}))


def _inputs_of(bundle: Any, release: str) -> Any:
    from airflow_on_fargate.releases.parse_inputs import ParseInputs

    if bundle.name not in _inputs:
        folder, hashes = bundle.contents(release)
        _inputs[bundle.name] = ParseInputs(folder, hashes, _read)
    return _inputs[bundle.name]


def _without_settled(original: Any) -> Any:
    def prepare_file_queue(self: Any, known_files: Any) -> None:
        before = set(self._file_queue)
        original(self, known_files)
        by_bundle: dict[str, list[Any]] = {}
        for file in self._file_queue:
            if file not in before and file.bundle_name in _settled:
                by_bundle.setdefault(file.bundle_name, []).append(file)
        for name, files in by_bundle.items():
            lately = {str(file.rel_path): file for file in files if _is_recent(self, file)}
            release = self._bundle_versions.get(name)
            for path in _settled[name].are_settled(lately, release):
                del self._file_queue[lately[path]]

    return prepare_file_queue


def _is_recent(manager: Any, file: Any) -> bool:
    from airflow._shared.timezones import timezone

    stat = manager._file_stats.get(file)
    finished = stat.last_finish_time if stat else None
    if not finished or stat.import_errors:
        return False
    return bool(timezone.utcnow() - finished < timedelta(seconds=interval_seconds()))
