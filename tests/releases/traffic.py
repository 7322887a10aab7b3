"""A publisher that publishes continuously, and a thread that starts and clears runs meanwhile.

Some uploads and zips contain bad files. In forgiving mode these stay out of the release, with their
last good versions in their place; in strict mode they refuse the release, and a correction follows.
"""

import io
import json
import random
import threading
import zipfile
from datetime import UTC, datetime
from typing import Any

import requests
from waiting import PATIENCE_SECONDS

from commands import smoke
from commands.airflow_api import SECONDS, AirflowApi
from tests.e2e.conftest import Deployed
from tests.releases.content import BAD_PATHS, DAG_IDS, bad_files, files
from tests.releases.modes import FORGIVING, STRICT

# Maximum number of active runs of a triggered DAG: the machine's workers have eight slots.
ACTIVE = 3
_ZIP = "inbox/all.zip"


# How many of the uploads and zips contain bad files. A refusal takes seconds, an exclusion none.
BAD_SHARE = {FORGIVING: 0.3, STRICT: 0.1}


class Publishing:
    """Publishes one release after another, by upload, zip and rollback, at random moments."""

    def __init__(self, deployed: Deployed, mode: str, chance: random.Random | None = None) -> None:
        self._deployed = deployed
        self._chance = chance or random.Random(0)
        self._mode = mode
        self._s3 = deployed.workspace.client("s3")
        self._bucket = deployed.outputs["DagBucketName"]
        self.moments: list[tuple[datetime, str]] = []
        self.count = {"upload": 0, "zip": 0, "rollback": 0, "excluded": 0, "kept": 0, "refused": 0}

    def current(self) -> str:
        """The release that the pointer names."""
        return str(self._document("releases/current.json")["release"])

    def exclusions(self) -> dict[str, str]:
        """What stays out of the current release, and the release of the version that is live."""
        report = self._document(f"releases/{self.current()}.exclusions.json")
        return {each["path"]: each["kept"] or "" for each in report.get("exclusions", [])}

    def publish(self, number: int) -> None:
        """Make another release current, and wait until it is."""
        before = self.current()
        kinds = ["upload", "zip", "rollback"] if len(self.moments) > 1 else ["upload"]
        (kind,) = self._chance.choices(kinds, weights=[5, 3, 2][: len(kinds)])
        # The first release of each DAG has to be good.
        spoiled = number > 0 and self._chance.random() < BAD_SHARE[self._mode]
        bad = bad_files(number) if spoiled and kind != "rollback" else {}
        if bad and self._mode == STRICT:
            self._have_refused(kind, number, bad)
            bad = {}
        if kind == "rollback":
            self._roll_back()
        else:
            self._put(kind, files(number) | bad)
        smoke.wait_until(
            lambda: self.current() != before, PATIENCE_SECONDS, f"{kind} {number}", interval=0.1
        )
        self.moments.append((datetime.now(UTC), self.current()))
        self.count[kind] += 1
        if bad:
            self._wait_for_exclusions(bad)

    def publish_good_files_only(self, number: int) -> None:
        """A last release, without files that stay out."""
        before = self.current()
        self._put("zip", files(number))
        smoke.wait_until(
            lambda: self.current() != before, PATIENCE_SECONDS, "the last release", interval=0.1
        )
        self.moments.append((datetime.now(UTC), self.current()))

    def _put(self, kind: str, content: dict[str, str]) -> None:
        {"upload": self._upload, "zip": self._zip}[kind](content)

    def _upload(self, content: dict[str, str]) -> None:
        for path in BAD_PATHS - content.keys():
            self._s3.delete_object(Bucket=self._bucket, Key=f"dags/{path}")
        paths = list(content.items())
        self._chance.shuffle(paths)
        for path, text in paths:
            self._s3.put_object(Bucket=self._bucket, Key=f"dags/{path}", Body=text.encode())

    def _zip(self, content: dict[str, str]) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for path, text in content.items():
                archive.writestr(path, text)
        self._s3.put_object(Bucket=self._bucket, Key=_ZIP, Body=packed.getvalue())

    def _roll_back(self) -> None:
        current = self.current()
        target = self._chance.choice([r for _, r in self.moments if r != current])
        answer = self._deployed.workspace.client("lambda").invoke(
            FunctionName=self._deployed.outputs["PublishDagsFunctionName"],
            Payload=json.dumps({"promote": target, "by": "the releases suite"}).encode(),
        )
        assert json.loads(answer["Payload"].read())["outcome"] == "promoted"

    def _wait_for_exclusions(self, bad: dict[str, str]) -> None:
        """An upload that pauses is published in part: then another release follows."""
        smoke.wait_until(
            lambda: self.exclusions().keys() == bad.keys(), 60, f"the report of {sorted(bad)}"
        )
        found = self.exclusions()
        self.count["excluded"] += len(found)
        self.count["kept"] += sum(map(bool, found.values()))

    def _have_refused(self, kind: str, number: int, bad: dict[str, str]) -> None:
        key = f"{_ZIP}.refused.json" if kind == "zip" else "releases/refused.json"
        # One of an earlier refusal.
        self._s3.delete_object(Bucket=self._bucket, Key=key)
        self._put(kind, files(number) | bad)

        def refused() -> bool:
            problems = self._document(key).get("problems", [])
            return {problem["path"] for problem in problems} == bad.keys()

        smoke.wait_until(refused, 60, f"the refusal of a {kind}", interval=0.1)
        self.count["refused"] += 1

    def _document(self, key: str) -> Any:
        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=key)
        except self._s3.exceptions.NoSuchKey:
            return {}
        return json.loads(answer["Body"].read())


class Running(threading.Thread):
    """Starts runs at random moments, and sometimes clears one that has ended."""

    def __init__(self, api: AirflowApi, chance: random.Random) -> None:
        super().__init__()
        self._api = api
        self._chance = chance
        self._done = threading.Event()
        self.cleared = 0
        self.failures: list[str] = []

    def run(self) -> None:
        """Act until `end` is called."""
        self._pause(False)
        while not self._done.wait(self._chance.uniform(0.2, 1.5)):
            try:
                self._act()
            except requests.RequestException as error:
                self.failures.append(repr(error))

    def end(self) -> None:
        """Start no more runs; active runs continue to their end."""
        self._done.set()
        self.join()
        self._pause(True)

    def _pause(self, paused: bool) -> None:
        url = f"{self._api.base_url}/api/v2/dags/{DAG_IDS[0]}"
        answer = self._api.session.patch(url, json={"is_paused": paused}, timeout=SECONDS)
        answer.raise_for_status()

    def _act(self) -> None:
        dag_id = self._chance.choice(DAG_IDS[1:])
        runs = self._api.get(f"dags/{dag_id}/dagRuns", limit=50, order_by="-run_after")["dag_runs"]
        active = [run for run in runs if run["state"] in ("queued", "running")]
        ended = [run for run in runs if run["state"] == "success"]
        if ended and self._chance.random() < 0.15:
            self._clear(dag_id, self._chance.choice(ended)["dag_run_id"])
        elif len(active) < ACTIVE:
            self._api.trigger(dag_id)

    def _clear(self, dag_id: str, run_id: str) -> None:
        answer = self._api.session.post(
            f"{self._api.base_url}/api/v2/dags/{dag_id}/clearTaskInstances",
            json={"dry_run": False, "dag_run_id": run_id, "only_failed": False},
            timeout=SECONDS,
        )
        answer.raise_for_status()
        self.cleared += 1


def wait_for_the_last_run(api: AirflowApi, timeout: float = 180) -> None:
    """Wait until no run of the suite's DAGs is active."""

    def active() -> int:
        return sum(
            len(api.get(f"dags/{dag_id}/dagRuns", state=state, limit=1)["dag_runs"])
            for dag_id in DAG_IDS
            for state in ("queued", "running")
        )

    smoke.wait_until(lambda: not active(), timeout, "the end of the last run", interval=1)


def runs_of(api: AirflowApi, dag_id: str, since: datetime) -> list[dict[str, Any]]:
    """All runs of a DAG since a moment."""
    found: list[dict[str, Any]] = []
    after = {"run_after_gte": since.isoformat()}
    while True:
        page = api.get(f"dags/{dag_id}/dagRuns", limit=100, offset=len(found), **after)
        found += page["dag_runs"]
        if len(found) >= page["total_entries"] or not page["dag_runs"]:
            return found
