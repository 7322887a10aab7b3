"""The image's configuration is that of the Dockerfile's last stage."""

import json
import re
import shlex

import pytest

from build_image import image
from build_image.layers import system
from build_image.source import Source

from .conftest import REPOSITORY

DOCKERFILE = (REPOSITORY / "images" / "airflow" / "Dockerfile").read_text()
_TEXT = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE)
FINAL = _TEXT[_TEXT.rindex("\nFROM ") :].replace("\\\n", " ")


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} (.+)$", FINAL, re.MULTILINE)


def test_variables_are_those_of_the_dockerfile() -> None:
    pairs = (word.partition("=") for line in instructions("ENV") for word in shlex.split(line))
    variables = {name: value for name, _, value in pairs}

    assert variables.pop("PATH") == f"{image.PATH_FIRST}:$PATH"
    assert variables == dict(image.ENVIRONMENT)


@pytest.mark.parametrize(
    ("name", "value"),
    [("VOLUME", image.VOLUMES), ("ENTRYPOINT", image.ENTRYPOINT), ("CMD", image.COMMAND)],
)
def test_list_is_that_of_the_dockerfile(name: str, value: tuple[str, ...]) -> None:
    assert [tuple(json.loads(line)) for line in instructions(name)] == [value]


def test_user_folder_and_ports_are_those_of_the_dockerfile() -> None:
    assert instructions("USER") == [image.USER]
    assert instructions("WORKDIR") == [image.WORKING_DIRECTORY]
    assert [int(port) for port in instructions("EXPOSE")[0].split()] == list(image.PORTS)


def test_dockerfile_has_no_instruction_that_the_builder_does_not_know() -> None:
    """A new RUN or COPY has to be added to the builder's layers."""
    known = {
        "groupadd --gid 50000 airflow && useradd --uid 50000 --gid 50000 --home-dir /opt/airflow "
        "--create-home --no-log-init airflow",
        "mkdir /usr/local/airflow && ln -s /opt/airflow/dags /usr/local/airflow/dags",
        "find / -xdev -type f -perm /6000 -exec chmod a-s {} +",
    }
    assert {" ".join(line.split()) for line in instructions("RUN")} == known
    assert instructions("COPY") == [
        "--from=build /opt/venv /opt/venv",
        "--from=build /opt/airflow-on-fargate /opt/airflow-on-fargate",
        "--from=build /opt/airflow-user /opt/airflow-user",
    ]
    # The base image is named by a label, as by the builder; the argument is there for it.
    assert instructions("ARG") == ["PYTHON_IMAGE"]
    assert instructions("LABEL") == ["org.opencontainers.image.base.name=${PYTHON_IMAGE}"]
    assert (system.USER_ID, f"/{system.HOME}") == (50000, "/opt/airflow")
    assert system.PLUGINS == "opt/airflow-user/plugins"


def test_base_image_is_that_of_the_dockerfile() -> None:
    source = Source(REPOSITORY / "images" / "airflow", "arm64")

    name, _, digest = source.base_image.partition("@")
    assert name == "public.ecr.aws/docker/library/python:3.13-slim-bookworm"
    assert not digest or re.fullmatch(r"sha256:[0-9a-f]{64}", digest)
    assert "apache-airflow" in source.pins()
