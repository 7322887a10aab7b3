"""The three ways of delivery. Each follows the bucket, serves a folder and starts a task."""

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from airflow.providers.amazon.aws.bundles.s3 import S3DagBundle

from airflow_on_fargate.releases.bundle import ReleaseDagBundle
from publish_dags.aws.s3_dag_source import S3DagSource
from publish_dags.aws.s3_inbox import S3Inbox
from publish_dags.aws.s3_release_store import S3ReleaseStore
from publish_dags.checks.limits import Limits
from publish_dags.history.promotion import Promoter
from publish_dags.publisher import Publisher

SOURCE = "dags/"


class System(Protocol):
    name: str

    def publish(self) -> None:
        """Do what is needed after an upload so that readers can see it."""

    def forget(self) -> None:
        """Start again with an empty disk."""

    def refresh(self) -> None: ...

    def start_task(self) -> None: ...

    def roll_back(self, key: str, former: bytes) -> None:
        """Restore the state before the last change, which was a change of this object."""

    @property
    def folder(self) -> Path: ...


class Releases:
    name = "releases"

    def __init__(self, s3: Any, bucket: str) -> None:
        self._arguments: dict[str, Any] = {"bucket_name": bucket}
        self._times = 0
        self._bundle: ReleaseDagBundle | None = None
        self.publisher = Publisher(
            source=S3DagSource(s3, bucket, SOURCE),
            inbox=S3Inbox(s3, bucket, "inbox/"),
            releases=S3ReleaseStore(s3, bucket, "releases/"),
            limits=Limits.of_mib(files=20_000, total_mib=128),
            now=lambda: datetime.now(UTC),
        )

    def publish(self) -> None:
        self.publisher.publish()

    def forget(self) -> None:
        # Another folder: a file system creates files slowly where many were just deleted.
        self._times += 1
        self._arguments["name"] = f"{self._arguments['bucket_name']}-{self._times}"
        self._bundle = None

    def refresh(self) -> None:
        if self._bundle is None:
            self._bundle = ReleaseDagBundle(**self._arguments)
            self._bundle.initialize()
        else:
            self._bundle.refresh()

    def start_task(self) -> None:
        assert self._bundle is not None
        version = self._bundle.get_current_version()
        assert version is not None
        ReleaseDagBundle(**self._arguments, version=version.version).initialize()

    def roll_back(self, key: str, former: bytes) -> None:
        Promoter(self.publisher).promote("previous", "bench", hold=False)

    @property
    def folder(self) -> Path:
        assert self._bundle is not None
        return self._bundle.path


class ProviderBundle:
    name = "s3dagbundle"

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3, self._bucket = s3, bucket
        self._arguments: dict[str, Any] = {
            "name": f"{bucket}-provider",
            "bucket_name": bucket,
            "prefix": SOURCE,
        }
        self._bundle: S3DagBundle | None = None

    def publish(self) -> None:
        """Readers use the folder directly."""

    def forget(self) -> None:
        """Measured once, on an empty disk."""

    def refresh(self) -> None:
        if self._bundle is None:
            self._bundle = S3DagBundle(**self._arguments)
            self._bundle.initialize()
        else:
            self._bundle.refresh()

    def start_task(self) -> None:
        S3DagBundle(**self._arguments).initialize()

    def roll_back(self, key: str, former: bytes) -> None:
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=former)

    @property
    def folder(self) -> Path:
        assert self._bundle is not None
        return Path(self._bundle.path)


class Sidecar:
    """`aws s3 sync --delete` beside Airflow, with its rule: another size, or newer in S3."""

    name = "sidecar"

    def __init__(self, s3: Any, bucket: str, folder: Path) -> None:
        self._s3, self._bucket, self._folder = s3, bucket, folder

    def publish(self) -> None:
        """Readers use the folder directly."""

    def forget(self) -> None:
        """Measured once, on an empty disk."""

    def refresh(self) -> None:
        there: dict[str, Any] = {}
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=SOURCE
        )
        for page in pages:
            for entry in page.get("Contents", []):
                there[entry["Key"].removeprefix(SOURCE)] = entry
        # The AWS CLI sends ten requests at once by default.
        with ThreadPoolExecutor(10) as pool:
            list(
                pool.map(
                    self._fetch,
                    [path for path, entry in there.items() if self._differs(path, entry)],
                )
            )
        for path in self._folder.rglob("*"):
            if path.is_file() and str(path.relative_to(self._folder)) not in there:
                path.unlink()

    def _differs(self, path: str, entry: Any) -> bool:
        try:
            local = (self._folder / path).stat()
        except FileNotFoundError:
            return True
        # S3 only has whole seconds.
        newer: bool = int(entry["LastModified"].timestamp()) > local.st_mtime
        return bool(local.st_size != entry["Size"]) or newer

    def _fetch(self, path: str) -> None:
        answer = self._s3.get_object(Bucket=self._bucket, Key=f"{SOURCE}{path}")
        target = self._folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(answer["Body"].read())
        # Like the CLI: the local file gets the time of the object.
        moment = int(answer["LastModified"].timestamp())
        os.utime(target, (moment, moment))

    def start_task(self) -> None:
        """A task uses whatever the last sync left."""

    def roll_back(self, key: str, former: bytes) -> None:
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=former)

    @property
    def folder(self) -> Path:
        return self._folder
