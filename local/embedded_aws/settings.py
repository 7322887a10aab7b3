"""The launcher's settings: one JSON file, read once, checked, and frozen."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

ACCOUNT_ID = "000000000000"

RUNTIMES = ("processes", "podman")
_PORTS = ("endpoint_port", "ui_port", "https_port", "database_port")
_IMAGE_KEYS = {"entrypoint", "command", "env", "reference"}


class SettingsError(ValueError):
    """The configuration file cannot be used; the message says what to change."""


@dataclass(frozen=True)
class Image:
    """What a container image is on this machine: an entry point and an environment.

    Environment values may hold ``{container_dir}`` and ``{task_ip}``. Where containers run in
    podman, ``reference`` is the image in podman's storage, whose entry point, command and
    environment apply unless they are named here.
    """

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: Mapping[str, str] | None = None
    reference: str = ""


@dataclass(frozen=True)
class Settings:
    """The fields have the names of the configuration file's keys."""

    endpoint_port: int
    ui_port: int
    https_port: int
    database_port: int
    state_dir: Path
    images: Mapping[str, Image]
    postgres_bin: Path
    lambda_python: Path
    region: str = "us-east-1"
    # What runs containers: "processes" or "podman".
    runtime: str = "processes"
    log_level: str = "INFO"
    # How long CloudFormation waits for an ECS service to become steady (AWS: three hours).
    service_steady_timeout_seconds: float = 600
    # The length of a minute of CloudWatch's metrics and alarms.
    cloudwatch_minute_seconds: float = 60
    # The most processes of one function; further invocations wait for one of them.
    function_processes: int = 8
    # How many functions run at once in the account. A new account has 10.
    lambda_concurrency: int = 1000
    # Events arrive up to so many seconds late, in another order, and some of them twice.
    event_disorder_seconds: float = 0
    # Processes that have not ended by then get SIGKILL when the launcher ends.
    shutdown_timeout_seconds: float = 10
    # False: requests that IAM refuses are recorded and logged, and served nevertheless.
    enforce_iam: bool = True
    # Runs images of ECR as local processes, in the place of the interpreter and the packages that
    # they contain. Without it there are no such images.
    image_python: Path | None = None
    # What images of ECR have in their environment on this machine; see Image.env. For a local
    # process a value may also hold ``{image_dir}``, the folder with the files of the image.
    image_env: Mapping[str, str] = field(default_factory=dict)
    # What functions have in their environment on this machine, such as the address of a registry
    # in the place of one on the internet. A function's own variables come first.
    function_env: Mapping[str, str] = field(default_factory=dict)

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.endpoint_port}"

    @property
    def log_dir(self) -> Path:
        return self.state_dir / "logs"

    @property
    def iam_record(self) -> Path:
        """Every decision of IAM in this run; see authorization.record."""
        return self.state_dir / "iam-decisions.jsonl"

    @property
    def registry_dir(self) -> Path:
        """The target of `docker push`: files that describe images, read when an image is needed."""
        return self.state_dir / "registry"

    @property
    def certificates_dir(self) -> Path:
        """The local certificate authority; clients trust its `ca.pem`."""
        return self.state_dir / "certificates"

    @property
    def tasks_dir(self) -> Path:
        return self.state_dir / "tasks"


def load_settings(path: Path) -> Settings:
    """Read and check a configuration file; raise SettingsError with one clear sentence."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise SettingsError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(raw, dict):
        raise SettingsError(f"{path} must hold one JSON object")
    return settings_from(raw, str(path))


def settings_from(raw: dict[str, Any], source: str = "settings") -> Settings:
    known = {one.name for one in fields(Settings)}
    unknown = sorted(raw.keys() - known)
    if unknown:
        raise SettingsError(f"{source}: unknown settings {', '.join(unknown)}")
    required = {*_PORTS, "state_dir", "images", "postgres_bin", "lambda_python"}
    missing = sorted(required - raw.keys())
    if missing:
        raise SettingsError(f"{source}: missing settings {', '.join(missing)}")
    values = dict(raw)
    for name in _PORTS:
        if type(values[name]) is not int or not 1 <= values[name] <= 65535:
            raise SettingsError(f"{source}: {name} must be a port number from 1 to 65535")
    if values.get("runtime", "processes") not in RUNTIMES:
        raise SettingsError(f"{source}: runtime must be one of {', '.join(RUNTIMES)}")
    for name in ("service_steady_timeout_seconds", "shutdown_timeout_seconds",
                 "cloudwatch_minute_seconds"):  # fmt: skip
        if name in values and (type(values[name]) not in (int, float) or values[name] <= 0):
            raise SettingsError(f"{source}: {name} must be a number of seconds above zero")
    if (
        type(values.get("function_processes", 1)) is not int
        or values.get("function_processes", 1) < 1
    ):
        raise SettingsError(f"{source}: function_processes must be a number above zero")
    if not isinstance(values.get("enforce_iam", True), bool):
        raise SettingsError(f"{source}: enforce_iam must be true or false")
    concurrency = values.get("lambda_concurrency", 1000)
    if type(concurrency) is not int or concurrency < 10:
        raise SettingsError(f"{source}: lambda_concurrency must be a number from 10")
    disorder = values.get("event_disorder_seconds", 0)
    if type(disorder) not in (int, float) or disorder < 0:
        raise SettingsError(f"{source}: event_disorder_seconds must be a number from zero")
    for name in ("image_env", "function_env"):
        variables = values.get(name, {})
        if not isinstance(variables, dict) or not all(
            isinstance(value, str) for value in variables.values()
        ):
            raise SettingsError(f"{source}: {name} must be an object of strings")
    for name in ("state_dir", "postgres_bin", "lambda_python", "image_python"):
        if name not in values:
            continue
        if not isinstance(values[name], str) or not Path(values[name]).is_absolute():
            raise SettingsError(f"{source}: {name} must be an absolute path")
        values[name] = Path(values[name])
    values["images"] = _images(values["images"], source)
    return Settings(**values)


def registry_images(directory: Path) -> dict[str, Image]:
    """The images that the files of a registry folder describe."""
    found: dict[str, Image] = {}
    for path in sorted(directory.glob("*.json")):
        found |= _images(json.loads(path.read_text(encoding="utf-8")), str(path))
    return found


def _images(raw: Any, source: str) -> dict[str, Image]:
    if not isinstance(raw, dict):
        raise SettingsError(f"{source}: images must be an object of image name to definition")
    return {name: _image(f"{source}: images[{name!r}]", value) for name, value in raw.items()}


def _image(where: str, raw: Any) -> Image:
    if not isinstance(raw, dict) or raw.keys() - _IMAGE_KEYS:
        raise SettingsError(f"{where} may only hold {', '.join(sorted(_IMAGE_KEYS))}")
    for name in ("entrypoint", "command"):
        part = raw.get(name, [])
        if not isinstance(part, list) or not all(isinstance(item, str) for item in part):
            raise SettingsError(f"{where}.{name} must be a list of strings")
    env = raw.get("env", {})
    if not isinstance(env, dict) or not all(isinstance(value, str) for value in env.values()):
        raise SettingsError(f"{where}.env must be an object of strings")
    reference = raw.get("reference", "")
    if not isinstance(reference, str):
        raise SettingsError(f"{where}.reference must be a string")
    entrypoint, command = (tuple(raw.get(name, [])) for name in ("entrypoint", "command"))
    return Image(entrypoint, command, env, reference)
