"""`sam deploy --guided` as a new user runs it: Enter at every question."""

import platform
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from shutil import copy

import pexpect
import pytest
import requests
from waiting import PATIENCE_SECONDS

from commands import deployment, emulator
from commands.steps import wait_until
from commands.workspace import ROOT, Workspace, venv_python

TRANSCRIPT = ROOT / "docs" / "guided-deployment.md"
RECORD = ROOT / "build" / "guided-deployment.txt"
STACK = "airflow"
# A deployment on a busy machine, with the image's first start and the migration.
SECONDS = 900
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


@dataclass(frozen=True)
class Guided:
    """A guided deployment that has ended."""

    workspace: Workspace
    text: str

    @property
    def questions(self) -> list[tuple[str, str]]:
        """The parameters that were asked for, with the default that was shown."""
        asked = re.findall(r"^\tParameter (\w+) ?(?:\[(.*?)\])?:", self.text, re.MULTILINE)
        return [(name, default) for name, default in asked]

    def outputs(self) -> dict[str, str]:
        """The stack's outputs."""
        client = self.workspace.client("cloudformation")
        (stack,) = client.describe_stacks(StackName=STACK)["Stacks"]
        return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}

    def answers(self) -> bool:
        """Whether the UI answers at its address."""
        url = self.outputs()["AirflowUrl"]
        return requests.get(url, timeout=PATIENCE_SECONDS, verify=str(self.workspace.ca_file)).ok


@pytest.fixture(scope="module")
def guided(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guided]:
    """Build, start the embedded AWS, and answer the questions in a pseudo-terminal."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(4)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        aws, ui, https, database = (probe.getsockname()[1] for probe in probes)
    workspace = Workspace(
        tmp_path_factory.mktemp("guided"),
        aws_port=aws,
        ui_port=ui,
        https_port=https,
        database_port=database,
    )
    emulator.start(workspace)
    try:
        deployment.build(workspace)
        result = Guided(workspace, answer_questions(workspace))
        # The load balancer needs two health checks before it sends requests.
        wait_until(result.answers, SECONDS, "the first answer of the UI")
        yield result
    finally:
        emulator.end(workspace)


def answer_questions(workspace: Workspace) -> str:
    """Run `sam deploy --guided` and return what the terminal showed."""
    # Guided deployments save the answers, so they get a copy of the configuration.
    config = workspace.state_dir / "samconfig.toml"
    copy(ROOT / "samconfig.toml", config)
    environment = {
        **workspace.environment(),
        "SAM_CLI_TELEMETRY": "0",
        "COLUMNS": "200",
        "PYTHON": str(venv_python("uv")),
    }
    terminal = pexpect.spawn(
        str(venv_python("tools").parent / "sam"),
        [
            "deploy", "--guided",
            "--template-file", str(workspace.state_dir / "build" / "template.yaml"),
            "--config-file", str(config),
        ],
        cwd=str(workspace.state_dir), env=environment, encoding="utf-8",
        dimensions=(50, 200), timeout=SECONDS,
    )  # fmt: skip
    shown = ""
    # Every question ends in its default and a colon.
    while terminal.expect([r"\]: ", pexpect.EOF]) == 0:
        shown += terminal.before + terminal.after
        question = _ESCAPES.sub("", shown).rsplit("\n", 1)[-1].strip()
        terminal.sendline(_answer(workspace, question))
    shown += terminal.before
    terminal.close()
    text = _ESCAPES.sub("", shown)
    # For docs/guided-deployment.md.
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_text(text)
    assert terminal.exitstatus == 0, text
    return text


def _answer(workspace: Workspace, question: str) -> str:
    """Enter; but real containers run on this machine's processor only, and the default is ARM64."""
    on_x86 = platform.machine() in ("x86_64", "AMD64")
    is_options = question.startswith("Parameter Options ")
    if is_options and on_x86 and emulator.runtime(workspace) == "podman":
        return "x86"
    return ""


def test_enter_at_every_question_deploys_airflow_at_an_https_address(guided: Guided) -> None:
    outputs = guided.outputs()
    url = outputs["AirflowUrl"]

    assert "Successfully created/updated stack" in guided.text
    assert url.startswith("https://")
    assert url in guided.text
    page = requests.get(url, timeout=PATIENCE_SECONDS, verify=str(guided.workspace.ca_file))
    assert page.ok
    assert "Airflow" in page.text
    assert page.url.startswith(url)


def test_guided_deployment_asks_at_most_32_parameters(guided: Guided) -> None:
    assert 0 < len(guided.questions) <= 32


def test_docs_show_the_questions_that_are_asked(guided: Guided) -> None:
    shown = re.findall(r"^\s*Parameter (\w+) ?(?:\[(.*?)\])?:", TRANSCRIPT.read_text(), re.M)

    assert shown == guided.questions


def test_session_cookie_is_only_sent_over_https(guided: Guided) -> None:
    """Behind CloudFront the load balancer speaks plain HTTP, which must not show in the cookies."""
    url = guided.outputs()["AirflowUrl"]
    session = requests.Session()
    page = session.get(
        f"{url}/auth/login/", timeout=PATIENCE_SECONDS, verify=str(guided.workspace.ca_file)
    )

    assert page.ok
    assert len(session.cookies) > 0
    assert all(cookie.secure for cookie in session.cookies)


@pytest.mark.parametrize(
    "path",
    [
        "/execution/health",
        "/%65xecution/health",
        "/%2565xecution/health",
        "//execution/health",
        "/./execution/health",
        "/static/../execution/health",
        "/execution%2fhealth",
        "/EXECUTION/health",
    ],
)
def test_execution_api_is_refused_in_every_spelling(guided: Guided, path: str) -> None:
    host, port = guided.outputs()["AirflowUrl"].removeprefix("https://").split(":")
    answer = raw_get(host, int(port), path, guided.workspace.ca_file)

    assert answer.split()[1] in ("400", "404"), answer


def raw_get(host: str, port: int, path: str, ca_file: Path) -> str:
    """The status line of a request whose path no client has normalised."""
    import ssl

    context = ssl.create_default_context(cafile=str(ca_file))
    with (
        socket.create_connection((host, port), timeout=PATIENCE_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=host) as connection,
    ):
        connection.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode()
        )
        return connection.recv(4096).decode(errors="replace").splitlines()[0]
