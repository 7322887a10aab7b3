"""Keep an immediate retry from losing its log.

When the log of a try has been uploaded, which takes a second or two after its end, the provider
removes the whole folder of the task, and with it the log that the next try on the same worker has
begun. No upstream report is known.
"""

from typing import Any

from airflow_on_fargate.patches import replace, require


def apply() -> None:
    """Remove only the file that was uploaded."""
    require("apache-airflow-providers-amazon", "9.39.0")
    from airflow.providers.amazon.aws.log.s3_task_handler import S3RemoteLogIO

    replace(S3RemoteLogIO, "upload", _keeping_other_tries)


def _keeping_other_tries(original: Any) -> Any:
    def upload(self: Any, path: Any, ti: Any = None) -> None:
        if not self.delete_local_copy:
            original(self, path, ti)
            return
        # The same object, because it keeps its client of S3, which takes long to make. A process
        # of the worker uploads one log at a time.
        self.delete_local_copy = False
        try:
            original(self, path, ti)
        finally:
            self.delete_local_copy = True
        local = self.base_log_folder / path
        # The provider empties the file after the upload.
        if local.is_file() and not local.stat().st_size:
            local.unlink()

    return upload
