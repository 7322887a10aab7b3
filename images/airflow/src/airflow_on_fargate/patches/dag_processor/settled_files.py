"""Parse a file again when it has changed, and not every 30 seconds.

Airflow parses every file again after `[dag_processor] min_file_process_interval`, whether or not it
has changed, and a small file takes a tenth of a second of a CPU or more. A DAG release says which
files differ, and the source of most files says that their parse depends on nothing else.

With this patch such a file is parsed again when a release changes it, or a module that it imports,
or any file that is not Python source; when the database does not have its parse, or needs another
one (`releases.settled_rows`); and after `[dag_processor] settled_file_process_interval` seconds
(1800; 0 turns this patch off), at most one such file in ten seconds. A dynamic file is parsed again
after `[dag_processor] dynamic_file_process_interval` seconds (300), and when a release is served.
Files with an import error, assets with watchers and other bundles keep Airflow's interval.
Callbacks, and files that a user asks to be parsed, are not delayed. See `releases.settled` and
`releases.parse_inputs`. Not a correction: Airflow's bundles cannot say what has changed.
"""

import contextlib
import logging
import time
from datetime import timedelta
from typing import Any, Final

from airflow_on_fargate.patches import replace, require

log = logging.getLogger(__name__)

DEFAULT_INTERVAL_SECONDS: Final = 1800
DEFAULT_DYNAMIC_SECONDS: Final = 300
# A thousand files, parsed again without a pause, would use a small container for minutes.
SECONDS_BETWEEN_OLD_FILES: Final = 10.0

# By the bundle's name.
_settled: dict[str, Any] = {}
_inputs: dict[str, Any] = {}
_read: dict[str, Any] = {}
_known: dict[str, tuple[Any, dict[str, Any]]] = {}
_next_old_file: dict[str, float] = {}
# How often a file is parsed and why, as last logged.
_told: dict[tuple[str, str], str] = {}


def apply() -> None:
    """Surround the refresh, the recording and end of each parse, and the choice of files."""
    # Airflow 3.2, from which an upgrade may start, parses as usual.
    if not require("apache-airflow", "3.3.2", without=("3.2.2",)):
        return
    from airflow.dag_processing.manager import DagFileProcessorManager
    from airflow.models.dag_version import DagVersion

    # Airflow stores a bundle's own data there and reads it nowhere.
    _ = DagVersion.version_data
    replace(DagFileProcessorManager, "_refresh_dag_bundles", _following)
    replace(DagFileProcessorManager, "persist_parsing_result", _recording)
    replace(DagFileProcessorManager, "handle_parsing_result", _noting)
    replace(DagFileProcessorManager, "prepare_file_queue", _without_settled)


def interval_seconds() -> float:
    """How long a static file is not parsed again."""
    return _setting("settled_file_process_interval", DEFAULT_INTERVAL_SECONDS)


def dynamic_seconds() -> float:
    """How long a dynamic file is not parsed again."""
    return _setting("dynamic_file_process_interval", DEFAULT_DYNAMIC_SECONDS)


def _setting(name: str, default: float) -> float:
    from airflow.configuration import conf

    return float(conf.getfloat("dag_processor", name, fallback=default))


def _is_on(manager: Any) -> bool:
    """Not where each file is parsed a certain number of times."""
    return manager.max_runs == -1 and interval_seconds() > 0


def _following(original: Any) -> Any:
    def _refresh_dag_bundles(self: Any, known_files: Any) -> None:
        before, asked_for = dict(self._bundle_versions), set(self._file_queue)
        original(self, known_files)
        for bundle in self._dag_bundles:
            old, new = before.get(bundle.name), self._bundle_versions.get(bundle.name)
            if new == old:
                continue
            former = _inputs.pop(bundle.name, None)
            if not new:
                continue
            files = known_files.get(bundle.name, ())
            if old and bundle.name in _settled:
                _follow(self, bundle, old, new, files, former)
            elif not old and _is_release_bundle(bundle) and _is_on(self):
                _adopt(self, bundle, new, set(files) - asked_for)

    return _refresh_dag_bundles


def _follow(manager: Any, bundle: Any, old: str, new: str, files: Any, former: Any) -> None:
    due = {*manager._file_queue, *manager._processors}
    changed = _settled[bundle.name].follow(
        old,
        new,
        lambda path: _inputs_of(bundle, new).of(path),
        {str(file.rel_path) for file in due if file.bundle_name == bundle.name},
    )
    # If it cannot be read, `follow` has said so, and every settled file is parsed.
    with contextlib.suppress(Exception):
        # Also files that are not settled: Airflow waits with them until the queue is empty.
        before = former.hashes if former else {}
        now = _inputs_of(bundle, new).hashes if former else {}
        changed |= {path for path, sha256 in before.items() if now.get(path) != sha256}
    wanted = [file for file in files if str(file.rel_path) in changed]
    if wanted:
        manager._add_files_to_queue(wanted, mode="front")
        # What the release changed itself comes first.
        manager._resort_file_queue()


def _adopt(manager: Any, bundle: Any, release: str, files: Any) -> None:
    """Take the files as parsed whose parse the database has."""
    from airflow.dag_processing.manager import DagFileStat

    beat = time.monotonic()

    def inputs(path: str) -> Any:
        nonlocal beat
        if time.monotonic() - beat > 1:
            # Thousands of files take longer than the health check waits.
            manager.heartbeat()
            beat = time.monotonic()
        return _inputs_of(bundle, release).of(path)

    by_path = {str(file.rel_path): file for file in files}
    adopted = _settled_of(bundle.name).adopt(release, by_path, inputs)
    for path, found in adopted.items():
        file = by_path[path]
        manager._file_queue.pop(file, None)
        # A later time would make the file's DAGs stale, which were recorded at this one.
        stat = DagFileStat(num_dags=found.parse.dags, last_finish_time=found.at)
        manager._file_stats[file] = stat


def _recording(original: Any) -> Any:
    def persist_parsing_result(
        self: Any,
        *,
        bundle_name: str,
        bundle_version: Any,
        version_data: Any,
        parsing_result: Any,
        relative_fileloc: Any,
        **named: Any,
    ) -> Any:
        parse = _parse(self, bundle_name, relative_fileloc, parsing_result)
        return original(
            self,
            bundle_name=bundle_name,
            bundle_version=bundle_version,
            version_data=parse.as_version_data() if parse else version_data,
            parsing_result=parsing_result,
            relative_fileloc=relative_fileloc,
            **named,
        )

    return persist_parsing_result


def _noting(original: Any) -> Any:
    def handle_parsing_result(self: Any, file: Any, proc: Any, *rest: Any, **named: Any) -> Any:
        result = original(self, file, proc, *rest, **named)
        # Only callbacks carry a release.
        if file.bundle_version is None and not proc.had_callbacks and _is_on(self):
            path = str(file.rel_path)
            parse = _parse(self, file.bundle_name, path, proc.parsing_result)
            if parse:
                release = self._bundle_versions[file.bundle_name]
                _settled_of(file.bundle_name).note(path, release, parse)
            elif file.bundle_name in _settled:
                _settled[file.bundle_name].forget(path)
        return result

    return handle_parsing_result


def _parse(manager: Any, name: str, path: str | None, parsed: Any) -> Any:
    """What a parse of this file depends on, for the database; None where that is not certain."""
    bundle = next((each for each in manager._dag_bundles if each.name == name), None)
    if bundle is None or not _is_release_bundle(bundle) or not path or not _is_on(manager):
        return None
    release = manager._bundle_versions.get(name)
    served = bundle.get_current_version()
    # The manager's version is not the bundle's while the database does not take a new one.
    certain = release and served and served.version == release
    if not certain or parsed is None or parsed.import_errors:
        return None
    try:
        inputs = _inputs_of(bundle, release).of(path)
        dags = {dag.dag_id: dag.data for dag in parsed.serialized_dags}
        if _has_watchers(list(dags.values())):
            # Airflow starts and ends them in a parse, when a DAG is paused or resumed.
            _tell(name, path, "as Airflow does it: an asset has watchers")
            return None
        dynamic = inputs.dynamic if inputs else ""
        seconds = dynamic_seconds()
        _tell(name, path, f"every {seconds:g} s: {dynamic}" if dynamic else "")
        return _settled_of(name).parse(inputs, len(dags), _digest_of(dags) if dynamic else "")
    except Exception:
        log.exception("Could not tell what the parse of %s depends on", path)
        return None


def _tell(name: str, path: str, reason: str) -> None:
    if _told.get((name, path), "") != reason:
        _told[name, path] = reason
        if reason:
            log.info("%s is parsed %s", path, reason)


def _digest_of(dags: Any) -> str:
    from airflow.models.serialized_dag import SerializedDagModel

    return repr(sorted((dag_id, SerializedDagModel.hash(data)) for dag_id, data in dags.items()))


def _has_watchers(value: Any) -> bool:
    if isinstance(value, dict):
        return bool(value.get("watchers")) or any(map(_has_watchers, value.values()))
    return isinstance(value, list) and any(map(_has_watchers, value))


def _is_release_bundle(bundle: Any) -> bool:
    from airflow_on_fargate.releases.bundle import ReleaseDagBundle

    return isinstance(bundle, ReleaseDagBundle)


def _settled_of(name: str) -> Any:
    from airflow_on_fargate.releases import environment
    from airflow_on_fargate.releases.settled import SettledFiles
    from airflow_on_fargate.releases.settled_rows import DagRows

    if name not in _settled:
        _settled[name] = SettledFiles(DagRows(name), environment.digest())
    return _settled[name]


def _inputs_of(bundle: Any, release: str) -> Any:
    from airflow_on_fargate.releases.parse_inputs import ParseInputs

    if bundle.name not in _inputs:
        folder, hashes = bundle.contents(release)
        _inputs[bundle.name] = ParseInputs(folder, hashes, _read)
    return _inputs[bundle.name]


def _without_settled(original: Any) -> Any:
    def prepare_file_queue(self: Any, known_files: Any) -> Any:
        if not _is_on(self):
            return original(self, known_files)
        # In each loop: it does not look at each file, as the original does.
        return original(
            self, {name: _unsettled(self, name, files) for name, files in known_files.items()}
        )

    return prepare_file_queue


def _unsettled(manager: Any, name: str, files: Any) -> Any:
    """Those files that Airflow parses at its interval, and settled files when it is time."""
    if name not in _settled:
        return files
    known = _known.get(name)
    # Airflow makes another set when it has scanned the folder.
    if known is None or known[0] is not files:
        known = _known[name] = (files, {str(file.rel_path): file for file in files})
    by_path = known[1]
    settled = _settled[name].are_settled(by_path, manager._bundle_versions.get(name))
    dynamic = _settled[name].are_dynamic(settled)
    due = _older(manager, by_path, dynamic, dynamic_seconds()) if dynamic else set()
    due |= _old_file(manager, name, by_path, settled - dynamic)
    return {by_path[path] for path in by_path.keys() - settled | due}


def _older(manager: Any, by_path: Any, paths: set[str], seconds: float) -> set[str]:
    from airflow._shared.timezones import timezone

    limit = timezone.utcnow() - timedelta(seconds=seconds)
    return {path for path in paths if _finished(manager, by_path[path]) <= limit}


def _old_file(manager: Any, name: str, by_path: Any, settled: set[str]) -> set[str]:
    """The static file whose parse is the oldest, if it is old and it is time for another one."""
    if time.monotonic() < _next_old_file.get(name, 0.0):
        return set()
    _next_old_file[name] = time.monotonic() + SECONDS_BETWEEN_OLD_FILES
    times = {path: _finished(manager, by_path[path]) for path in settled}
    path = min(times, key=lambda each: times[each], default=None)
    return set() if path is None else _older(manager, by_path, {path}, interval_seconds())


def _finished(manager: Any, file: Any) -> Any:
    from airflow.dag_processing.manager import utc_epoch

    stat = manager._file_stats.get(file)
    return (stat and stat.last_finish_time) or utc_epoch()
