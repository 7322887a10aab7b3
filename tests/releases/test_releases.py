"""Two hundred releases at random moments while DAGs run continuously.

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
from commands.workspace import ROOT
from tests.e2e.conftest import Deployed
from tests.releases.content import DAG_IDS
from tests.releases.evidence import Inspection
from tests.releases.traffic import Publishing, Running, wait_for_the_last_run

RELEASES = int(os.environ.get("RELEASES", "200"))
SEED = int(os.environ.get("SEED", "20"))


@pytest.mark.timeout(1800)
def test_every_run_uses_one_release_when_releases_come_at_random_moments(
    deployed: Deployed,
) -> None:
    chance = random.Random(SEED)
    publishing, api = Publishing(deployed, chance), deployed.api()
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

    found = Inspection(deployed, RELEASES, publishing.moments).evidence(api)
    record = {
        "releases": len(publishing.moments), **publishing.count, "seconds": round(seconds),
        "runs": found.runs, "of releases": len(found.releases), "overtaken": found.overtaken,
        "cleared": running.cleared, "tries": found.tries, "wrong": len(found.wrong),
    }  # fmt: skip
    print(json.dumps(record), *found.wrong, sep="\n")
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "releases.json").write_text(json.dumps({**record, "each": found.wrong}))
    assert found.wrong == []
    assert running.failures == []
    assert api.import_errors() == []
    # The conditions of the test did occur.
    assert found.overtaken > found.runs / 4
    assert running.cleared > 0
