"""How a container's variables and rights reach podman."""

from pathlib import Path

import pytest

from embedded_aws.containers.interface import APIError, Isolation, Specification, Ulimit
from embedded_aws.containers.podman import client, options
from embedded_aws.settings import Image

SECRET = "a secret\nof two lines"


def test_no_value_is_on_the_command_line(tmp_path: Path) -> None:
    variables = {"PASSWORD": SECRET, "PATH": "/image/bin", "HTTP_PROXY": "http://user:word@proxy"}
    words, environment = client.pass_environment(variables, tmp_path / "environment")
    line = " ".join(words)
    assert "secret" not in line
    assert "word@proxy" not in line
    assert environment["PASSWORD"] == SECRET
    assert "--env PASSWORD" in line


def test_variables_that_podman_would_obey_go_through_a_private_file(tmp_path: Path) -> None:
    file = tmp_path / "environment"
    words, environment = client.pass_environment({"PATH": "/image/bin", "LD_PRELOAD": "x"}, file)
    assert words == ["--env-file", str(file)]
    assert environment.get("PATH") != "/image/bin"
    assert "LD_PRELOAD" not in environment
    assert file.read_text() == "PATH=/image/bin\nLD_PRELOAD=x\n"
    assert file.stat().st_mode & 0o777 == 0o600


def test_such_a_variable_of_several_lines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(APIError, match="PATH cannot have a value of several lines"):
        client.pass_environment({"PATH": "/a\n/b"}, tmp_path / "environment")


def test_podman_gets_nothing_of_the_environment_that_it_does_not_need(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the developer")
    assert "AWS_SECRET_ACCESS_KEY" not in client.own_environment()


def test_rights_become_options() -> None:
    isolation = Isolation(
        read_only_root=True,
        user="1:2",
        working_directory="/work",
        added_capabilities=("SYS_PTRACE",),
        dropped_capabilities=("ALL",),
        ulimits=(Ulimit("nofile", 10, 20), Ulimit("core", 0, 0)),
        init_process=True,
    )
    line = " ".join(options.options_of(isolation, group="/group"))
    for expected in (
        "--cgroup-parent /group", "--read-only --user 1:2 --workdir /work --init",
        "--cap-drop ALL --cap-add SYS_PTRACE", "--ulimit nofile=10:20", "--ulimit core=0:0",
    ):  # fmt: skip
        assert expected in line


def test_without_rights_nothing_is_restricted() -> None:
    line = " ".join(options.options_of(Isolation(), group="/group"))
    assert not [word for word in ("--read-only ", "--cap-", "--user", "--init") if word in line]


@pytest.mark.parametrize(
    ("image", "entrypoint", "command", "expected"),
    [
        (Image(), None, None, ([], [])),
        (Image(), None, ["a"], ([], ["a"])),
        (Image(), ["sh"], ["a"], (["--entrypoint", '["sh"]'], ["a"])),
        (Image(("own",), ("b",)), None, None, (["--entrypoint", '["own"]'], ["b"])),
        (Image(("own",), ("b",)), None, ["a"], (["--entrypoint", '["own"]'], ["a"])),
        # An entry point of the task definition takes away the image's command.
        (Image(("own",), ("b",)), ["sh"], None, (["--entrypoint", '["sh"]'], [])),
    ],
)
def test_words_of_the_command_line(image, entrypoint, command, expected, tmp_path: Path) -> None:
    specification = Specification(
        task_arn="arn/task", name="main", image=image, entrypoint=entrypoint, command=command,
        environment={}, address="127.0.0.1", directory=tmp_path, log_file=tmp_path / "log",
        isolation=Isolation(),
    )  # fmt: skip
    assert options.words_of(specification) == expected
