"""uv as a program: its time, its end by a signal, its absence."""

from pathlib import Path

import pytest

from build_image import uv as uv_module
from build_image.errors import OutOfTimeError, PackagesError
from build_image.uv import Uv


def program(folder: Path, script: str) -> Path:
    path = folder / "uv"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_installation_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    uv = Uv(program(tmp_path, "exec sleep 60"), "arm64", tmp_path)

    with pytest.raises(OutOfTimeError, match="uv pip did not end within 1 s"):
        uv.install(tmp_path, tmp_path / "lock", 1)


def test_program_that_was_ended_by_the_system_names_the_memory(tmp_path: Path) -> None:
    uv = Uv(program(tmp_path, "kill -9 $$"), "arm64", tmp_path)

    with pytest.raises(PackagesError, match="out of memory"):
        uv.install(tmp_path, tmp_path / "lock", 60)


def test_program_is_what_the_system_kills_first_where_memory_ends(tmp_path: Path) -> None:
    """Otherwise the function could be killed, and nothing would answer CloudFormation."""
    script = f"""
        until grep -qx 1000 /proc/self/oom_score_adj; do :; done
        echo 1000 > {tmp_path}/seen
    """
    uv = Uv(program(tmp_path, script), "arm64", tmp_path)

    uv.install(tmp_path, tmp_path / "lock", 60)

    assert (tmp_path / "seen").read_text() == "1000\n"


def test_killed_compiler_fails_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files without bytecode would be in the image by chance."""
    (tmp_path / "one.py").touch()
    monkeypatch.setattr(uv_module.sys, "executable", str(program(tmp_path, "kill -9 $$")))

    with pytest.raises(PackagesError, match=r"compiler .* out of memory. Raise"):
        Uv(tmp_path / "uv", "arm64", tmp_path).compile_bytecode(tmp_path, tmp_path, 60)


def test_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(PackagesError, match="uv cannot be started"):
        Uv(tmp_path / "uv", "arm64", tmp_path).install(tmp_path, tmp_path / "lock", 60)


def test_settings_of_the_machine_do_not_reach_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The credentials of the function's role are in its environment."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    uv = Uv(program(tmp_path, f"env > {tmp_path}/env"), "arm64", tmp_path, {"UV_INDEX": "own"})

    uv.install(tmp_path, tmp_path / "lock", 60)

    text = (tmp_path / "env").read_text()
    assert "secret" not in text
    assert "UV_INDEX=own" in text
