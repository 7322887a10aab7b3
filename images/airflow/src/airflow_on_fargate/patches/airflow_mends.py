"""Repairs of Airflow 3.3.2, until a release brings them.

Each says what happens without it and where it is reported.
"""

import signal
import time
from typing import Any

# A release does not wait longer than this for a file that takes so long to parse.
LONGEST_WAIT_SECONDS = 30.0


def forget_statistics_of_callbacks() -> None:
    """Keep the dag-processor from parsing one file without pause.

    A callback of a run that is pinned to a release (every deferred task ends with one) leaves
    statistics without a finish time under the file's identity. From then on the file never counts
    as parsed recently: it is parsed in every loop, some ten times a second, until the process ends.
    Reported as apache/airflow#73432.
    """
    from airflow.dag_processing.manager import DagFileProcessorManager

    # Other versions, such as the one that an upgrade comes from, have no such method.
    original = getattr(DagFileProcessorManager, "handle_parsing_result", None)
    if original is None or getattr(original, "mended", False):
        return

    def handle_parsing_result(self: Any, file: Any, *arguments: Any, **named: Any) -> Any:
        result = original(self, file, *arguments, **named)
        # Only callbacks carry a release; what a scan of the folder finds carries none.
        if file.bundle_version is not None:
            self._file_stats.pop(file, None)
        return result

    handle_parsing_result.mended = True  # type: ignore[attr-defined]
    DagFileProcessorManager.handle_parsing_result = handle_parsing_result


def drop_parses_that_a_release_overtook() -> None:
    """Keep a parse that began under one release from being recorded as the next one's.

    What a parse finds is recorded with the release that is served when it ends. One that is under
    way at the switch has read old files, or some of each: until the file was parsed once more, new
    runs had the structure of one release and the code of the other. The next switch waits until
    what was dropped has been parsed, or releases in quick succession would keep it out.
    """
    from airflow.dag_processing.manager import DagFileProcessorManager

    original = getattr(DagFileProcessorManager, "_refresh_dag_bundles", None)
    if original is None or getattr(original, "mended", False):
        return

    dropped: dict[Any, float] = {}

    def _refresh_dag_bundles(self: Any, known_files: Any) -> None:
        oldest = time.monotonic() - LONGEST_WAIT_SECONDS
        under_way = {*self._processors, *self._file_queue}
        if any(since > oldest for file, since in dropped.items() if file in under_way):
            return
        dropped.clear()
        before = dict(self._bundle_versions)
        original(self, known_files)
        for file, process in list(self._processors.items()):
            switched = self._bundle_versions.get(file.bundle_name) != before.get(file.bundle_name)
            # A callback is of its own run's release, and is told once only.
            if switched and file.bundle_version is None and not process.had_callbacks:
                del self._processors[file]
                process.kill(signal.SIGKILL)
                process.close()
                self._add_files_to_queue([file], mode="front")
                dropped[file] = time.monotonic()

    _refresh_dag_bundles.mended = True  # type: ignore[attr-defined]
    DagFileProcessorManager._refresh_dag_bundles = _refresh_dag_bundles


def create_runs_of_one_release() -> None:
    """Keep a run from getting the tasks of one release and the code of the next.

    The API server reads a DAG, and a moment later writes a run with its tasks and with the release
    that is current by then; a parse that is recorded in between makes a run whose tasks its release
    may not have. A parse locks the DAG's row to write: with that row locked first, the DAG is read
    once more. The scheduler holds this lock already.
    """
    from airflow.serialization.definitions import dag as definitions

    original = getattr(definitions, "_create_orm_dagrun", None)
    if original is None or getattr(original, "mended", False):
        return

    def _create_orm_dagrun(*, dag: Any, session: Any, **named: Any) -> Any:
        from airflow.models.dag import DagModel
        from airflow.models.serialized_dag import SerializedDagModel
        from sqlalchemy import select

        row = select(DagModel.dag_id).where(DagModel.dag_id == dag.dag_id)
        session.execute(row.with_for_update(read=True))
        newest = SerializedDagModel.latest_item_select_object(dag.dag_id)
        # What this session has read before must not stand in for what is there now.
        found = session.scalar(newest, execution_options={"populate_existing": True})
        if found:
            found._SerializedDagModel__data_cache = None
            dag = found.dag
        return original(dag=dag, session=session, **named)

    _create_orm_dagrun.mended = True  # type: ignore[attr-defined]
    definitions._create_orm_dagrun = _create_orm_dagrun


def keep_the_logs_of_other_tries() -> None:
    """Keep a retry that comes at once from losing its log.

    When a try's log has been uploaded, which takes a second or two after its end, the whole folder
    of the task is removed, and with it the log that the next try on the same worker has begun.
    """
    import attrs
    from airflow.providers.amazon.aws.log.s3_task_handler import S3RemoteLogIO

    original = S3RemoteLogIO.upload
    if getattr(original, "mended", False):
        return

    def upload(self: Any, path: Any, ti: Any = None) -> None:
        if not self.delete_local_copy:
            original(self, path, ti)
            return
        original(attrs.evolve(self, delete_local_copy=False), path, ti)
        local = self.base_log_folder / path
        # Emptied when it has been uploaded.
        if local.is_file() and not local.stat().st_size:
            local.unlink()

    upload.mended = True  # type: ignore[attr-defined]
    S3RemoteLogIO.upload = upload
