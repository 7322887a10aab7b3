"""make browser: which browser is used, and when one is installed."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from commands import browser
from commands.workspace import Workspace


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A machine without a browser, and what would have been run on it."""
    made: list[str] = []

    def run(command: tuple[str, ...], **_: Any) -> subprocess.CompletedProcess[str]:
        made.append(" ".join(command))
        return subprocess.CompletedProcess(command, 100, "", "E: no such package\n")

    monkeypatch.delenv("CHROME", raising=False)
    monkeypatch.setattr(browser.shutil, "which", lambda name: None)
    monkeypatch.setattr(browser.subprocess, "run", run)
    return made


def machine(monkeypatch: pytest.MonkeyPatch, system: str, user: int) -> None:
    monkeypatch.setattr(browser.platform, "freedesktop_os_release", lambda: {"ID": system})
    monkeypatch.setattr(browser.os, "geteuid", lambda: user)


def call() -> None:
    browser.browser(Workspace(Path("/nowhere"), 1, 2, 3, 4))


def test_only_the_named_browser_is_used(monkeypatch, tmp_path):
    named = tmp_path / "my-chrome"
    named.write_text("#!/bin/sh\n")
    named.chmod(0o755)
    monkeypatch.setenv("CHROME", str(named))
    assert browser.find() == str(named)
    monkeypatch.setenv("CHROME", str(tmp_path / "absent"))
    assert browser.find() is None


@pytest.mark.parametrize(("system", "user"), [("ubuntu", 0), ("debian", 1000)])
def test_installs_nothing_when_it_is_not_root_on_debian(monkeypatch, capsys, calls, system, user):
    machine(monkeypatch, system, user)
    call()
    assert calls == []
    assert "CHROME=/path/to/chromium" in capsys.readouterr().out


def test_installs_nothing_when_the_system_has_no_such_file(monkeypatch, capsys, calls):
    def missing() -> dict[str, str]:
        raise OSError

    monkeypatch.setattr(browser.platform, "freedesktop_os_release", missing)
    call()
    assert calls == []
    assert browser.MISSING in capsys.readouterr().out


def test_output_of_a_failed_apt_is_printed(monkeypatch, capsys, calls):
    machine(monkeypatch, "debian", 0)
    call()
    assert [line.split()[-1] for line in calls] == ["update"]
    printed = capsys.readouterr().out
    assert "E: no such package" in printed
    assert browser.MISSING in printed
