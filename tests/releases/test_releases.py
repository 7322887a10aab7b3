"""Two hundred releases at random moments while DAGs run continuously, in each mode.

Each run must use one release, from its structure to the last retry: the release that it is
recorded with. The content of that release is read from S3, not taken from its publisher.
"""

import json
import os
import random
import time

import pytest
from waiting import PATIENCE_SECONDS

from commands import smoke
from commands.airflow_api import AirflowApi
from commands.workspace import ROOT
from tests.e2e.conftest import Deployed
from tests.releases.content import DAG_IDS
from tests.releases.evidence import Inspection
from tests.releases.modes import FORGIVING, STRICT, set_mode
from tests.releases.traffic import Publishing, Running, wait_for_the_last_run

RELEASES = int(os.environ.get("RELEASES", "200"))
SEED = int(os.environ.get("SEED", "20"))


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("mode", [FORGIVING, STRICT])
def test_every_run_uses_one_release_when_releases_come_at_random_moments(
    deployed: Deployed, mode: str
) -> None:
    set_mode(deployed, mode)
    chance = random.Random(SEED)
    publishing, api = Publishing(deployed, mode, chance), deployed.api()
    publishing.publish(0)
    smoke.wait_until(lambda: set(DAG_IDS) <= set(api.dags()), PATIENCE_SECONDS, "the suite's DAGs")
    running = Running(deployed.api(), random.Random(SEED + 1))
    running.start()
    begun = time.monotonic()
    try:
        for number in range(1, RELEASES):
            time.sleep(chance.uniform(0, 1))
            publishing.publish(number)
    finally:
        running.end()
    seconds = time.monotonic() - begun
    wait_for_the_last_run(api)
    # What stays out, and nothing else, is shown as an import error.
    smoke.wait_until(
        lambda: errors(api) == publishing.exclusions().keys(), 60, "the import errors", interval=1
    )
    publishing.publish_good_files_only(RELEASES)
    smoke.wait_until(lambda: not errors(api), 60, "an end of the import errors", interval=1)

    found = Inspection(deployed, RELEASES, publishing.moments).evidence(api)
    record = {
        "mode": mode, "releases": len(publishing.moments), **publishing.count,
        "seconds": round(seconds), "runs": found.runs, "of releases": len(found.releases),
        "overtaken": found.overtaken, "cleared": running.cleared, "tries": found.tries,
        "wrong": len(found.wrong),
    }  # fmt: skip
    print(json.dumps(record), *found.wrong, sep="\n")
    (ROOT / "build").mkdir(exist_ok=True)
    document = json.dumps({**record, "each": found.wrong})
    (ROOT / "build" / f"releases-{mode}.json").write_text(document)
    assert found.wrong == []
    assert running.failures == []
    # The conditions of the test did occur.
    assert found.overtaken > found.runs / 4
    assert running.cleared > 0
    if mode == FORGIVING:
        assert publishing.count["excluded"] > publishing.count["kept"] > 0
    else:
        assert publishing.count["refused"] > 0
        assert publishing.count["excluded"] == 0


def errors(api: AirflowApi) -> set[str]:
    return {error["filename"] for error in api.import_errors()}
