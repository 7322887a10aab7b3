"""The content of the suite's releases: every file contains the number of its release."""

import hashlib
from string import Template

DAG_IDS = ("steady_scheduled", "steady_quick", "steady_slow")
_LIBRARY = "steady_modules"
# The scheduler starts one run after another of the first DAG; the others are triggered.
_SETTINGS = {
    "steady_scheduled": ("'@continuous'", 1, 0),
    "steady_quick": ("None", 4, 0),
    "steady_slow": ("None", 4, 4),
}
# A third of the steps fail once, so that retries may happen when the next releases are live.
_DAG = Template('''
import json
import time
from pathlib import Path

from airflow.sdk import DAG, get_current_context, task
from steady_modules import early

NUMBER = $number

def look():
    """Print the release of everything that a task can access."""
    from steady_modules import late

    here = Path(__file__).resolve()
    marker = int((here.parent / "steady_modules" / "marker.txt").read_text())
    folder = here.parent.name
    seen = {"dag": NUMBER, "early": early.NUMBER, "late": late.NUMBER, "marker": marker}
    print("SAW " + json.dumps({**seen, "folder": folder}))

with DAG("$dag_id", schedule=$schedule, max_active_runs=$active, is_paused_upon_creation=False):

    @task
    def begin():
        look()
        time.sleep($pause)

    @task(retries=1, retry_delay=0.5)
    def step_$number():
        look()
        if NUMBER % 3 == 0 and get_current_context()["ti"].try_number == 1:
            raise RuntimeError("once")

    @task
    def end():
        look()

    begin() >> step_$number() >> end()
''')


def files(number: int) -> dict[str, str]:
    """The files of a release: path → text."""
    dags = {
        f"{dag_id}.py": _DAG.substitute(
            dag_id=dag_id, number=number, schedule=schedule, active=active, pause=pause
        )
        for dag_id, (schedule, active, pause) in _SETTINGS.items()
    }
    modules = {"__init__.py": "", "marker.txt": f"{number}"}
    modules |= dict.fromkeys(("early.py", "late.py"), f"NUMBER = {number}\n")
    return dags | {f"{_LIBRARY}/{name}": text for name, text in modules.items()}


_BAD = "from airflow.sdk import DAG\ndef"
_COPY = """from airflow.sdk import DAG

with DAG("steady_quick", schedule=None):
    pass
"""
# Where files may be that no release contains.
BAD_PATHS = frozenset({"bad_0.py", "bad_1.py", "z_copy.py"})


def bad_files(number: int) -> dict[str, str]:
    """Files that cannot be part of a release, among them a broken version of one of its DAGs."""
    broken = f"{DAG_IDS[number % len(DAG_IDS)]}.py"
    return {
        broken: files(number)[broken] + "def",
        f"bad_{number % 2}.py": f"{_BAD} # {number}",
        "z_copy.py": f"# {number}\n{_COPY}",
    }


def expected(dag_id: str, hashes: dict[str, str], count: int) -> dict[str, int]:
    """What a task must see in a release: the number of each file, by its SHA-256."""
    numbers = {
        (path, hashlib.sha256(text.encode()).hexdigest()): number
        for number in range(count + 1)
        for path, text in files(number).items()
    }
    places = {
        "dag": f"{dag_id}.py",
        "early": f"{_LIBRARY}/early.py",
        "late": f"{_LIBRARY}/late.py",
        "marker": f"{_LIBRARY}/marker.txt",
    }
    return {name: numbers[path, hashes[path]] for name, path in places.items()}
