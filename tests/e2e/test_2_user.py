"""The steps of a new user: edit a DAG, run `aws s3 cp`, see it in the UI.

The AWS client is the real one, the browser is a real headless one. The test asserts the text of the
page and stores a screenshot as build/ui.png.
"""

import os
import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright
from waiting import PATIENCE_SECONDS

from commands import browser, smoke
from commands.workspace import ROOT
from tests.e2e.conftest import Deployed

PICTURE = ROOT / "build" / "ui.png"
DAG = ROOT / "dags" / "smoke_classic.py"
TITLE = "Edited by a new user"


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of a headless browser; the test is skipped without a browser, except in CI."""
    program = browser.find()
    if program is None:
        assert not os.environ.get("CI"), browser.MISSING
        pytest.skip(browser.MISSING)
    # Chromium's sandbox does not work for root, which is the user in a container.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=arguments)
        page = opened.new_page(viewport={"width": 1280, "height": 800}, color_scheme="light")
        page.set_default_timeout(PATIENCE_SECONDS * 1000)
        yield page
        opened.close()


def exports(deployed: Deployed) -> dict[str, str]:
    """The variables that `eval "$(make -s env)"` sets in the user's shell."""
    done = deployed.machine.make("env")
    assert done.returncode == 0, done.stdout
    words = shlex.split(done.stdout)
    return dict(word.split("=", 1) for word in words if word != "export")


def sign_in(page: Page, shell: dict[str, str]) -> None:
    """Sign in with the form, at the address that `make up` prints."""
    page.goto(shell["AIRFLOW_URL"])
    page.get_by_label("Username").fill(shell["ADMIN_USERNAME"])
    page.get_by_label("Password").fill(shell["AIRFLOW_ADMIN_PASSWORD"])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Dags", exact=True).wait_for()
    assert page.url == f"{shell['AIRFLOW_URL']}/"


def shows(page: Page, title: str) -> bool:
    """Whether the page of the DAG has this heading, once a reload shows one of its titles."""
    page.reload()
    either = re.compile(rf"^({re.escape(DAG.stem)}|{re.escape(TITLE)})$")
    page.get_by_role("heading", name=either).wait_for()
    return page.get_by_role("heading", name=title, exact=True).is_visible()


def test_user_sees_the_edited_dag_after_copying_it_to_the_bucket(
    deployed: Deployed, page: Page, tmp_path: Path
) -> None:
    shell = exports(deployed)
    sign_in(page, shell)
    broken: list[str] = []
    page.on("response", lambda r: broken.append(f"{r.status} {r.url}") if r.status >= 400 else None)
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.goto(f"{shell['AIRFLOW_URL']}/dags/{DAG.stem}")
    assert shows(page, DAG.stem)

    edited = tmp_path / DAG.name
    edited.write_text(
        DAG.read_text().replace("schedule=None,", f"schedule=None, dag_display_name={TITLE!r},")
    )
    begun = time.monotonic()
    subprocess.run(
        [ROOT / ".venv/tools/bin/aws", "s3", "cp", edited, f"s3://{shell['DAG_BUCKET_NAME']}/dags/"],
        env={**os.environ, **shell}, check=True, timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    smoke.wait_until(lambda: shows(page, TITLE), PATIENCE_SECONDS, "the edited DAG in the UI")
    print(f"From `aws s3 cp` to the UI: {time.monotonic() - begun:.1f} s")

    # "Last Dag Run", or the number of runs.
    page.get_by_text(re.compile(r"^Last (\d+ )?Dag Runs?$")).wait_for()
    page.wait_for_load_state("networkidle")
    PICTURE.parent.mkdir(exist_ok=True)
    page.screenshot(path=PICTURE)
    assert broken == []
