"""Python Lambda functions in separate processes, run by AWS's runtime client.

ministack 1.5.33 runs Python functions with its own script, in the interpreter and the environment
of the server. On Lambda the official runtime client (awslambdaric) gets events from the Runtime API
and runs in a documented environment. ministack serves that API for `provided` runtimes; here Python
functions use it, too. The interpreter is always `settings.lambda_python`, whichever of python3.11
to python3.14 a function names.

A function that overruns its timeout is killed and reported; `invoke_async_with_retry` tries an
asynchronous event twice more; log lines go to LoggingConfig.LogGroup when there is one. All
three are done by ministack and only checked by tests here.

Three differences are corrected. A function has the credentials of its role, which has to trust
Lambda, and its log is written with that role. The processes of a function end when its stack is
deleted (ministack keeps them). The last lines of a function whose declared log group has just been
deleted do not create the group again (nor on AWS, where the role may not create log groups).
"""

import os
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ministack.core import lambda_runtime
from ministack.core.responses import error_response_json, get_account_id, get_region
from ministack.services import cloudwatch_logs, lambda_svc

from embedded_aws.authorization import services, sessions
from embedded_aws.cloudformation.engine import Created, Properties, handlers_of
from embedded_aws.cloudformation.operations.turns import others_meanwhile
from embedded_aws.lambda_functions import layers
from embedded_aws.processes import STATE_DIR_MARK
from embedded_aws.settings import Settings

_BOOTSTRAP = """#!/bin/sh
exec {python} -m awslambdaric "$_HANDLER"
"""


def install(settings: Settings) -> None:
    bootstrap = _BOOTSTRAP.format(python=shlex.quote(str(settings.lambda_python)))
    worker_class_for = lambda_runtime._worker_class_for

    class PythonWorker(lambda_runtime.ProvidedWorker):  # type: ignore[misc]
        """One execution environment of a Python function."""

        def _spawn(self, init_timeout: float | None = None) -> None:
            code_dir = Path(lambda_svc._provided_runtime_code_dir(self.code_zip))
            _add_bootstrap(code_dir, bootstrap)
            super()._spawn(init_timeout)

    def choose_worker(config: Mapping[str, Any]) -> type:
        if _is_python(config):
            return PythonWorker
        chosen: type = worker_class_for(config)
        return chosen

    def environment(config: Mapping[str, Any], code_dir: str, port: int) -> dict[str, str]:
        return function_environment(settings, config, code_dir, port)

    lambda_runtime._worker_class_for = choose_worker
    lambda_svc._provided_worker_env = environment
    lambda_svc._execute_function_warm = lambda_svc._execute_function_provided_warm
    _refuse_untrusting_roles()
    _end_processes_with_their_function()
    _leave_deleted_log_groups_deleted()


def function_environment(
    settings: Settings, config: Mapping[str, Any], code_dir: str, port: int
) -> dict[str, str]:
    """The whole environment of a function: what Lambda documents, and what the function declares.

    Nothing of the developer's shell is passed to it.
    """
    name = config["FunctionName"]
    logging = config.get("LoggingConfig") or {}
    level = logging.get("ApplicationLogLevel")  # Lambda accepts it with JSON logs only
    opt = layers.folder_of(config)
    variables = (config.get("Environment") or {}).get("Variables") or {}
    declared = layers.environment_with(opt, variables)
    return {
        "TMPDIR": str(_own_tmp(settings, name, port)),
        "PATH": os.defpath,
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        **layers.python_path(opt),
        **settings.function_env,
        **declared,
        "_HANDLER": config.get("Handler", ""),
        "LAMBDA_TASK_ROOT": code_dir,
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": config.get("Version", "$LATEST"),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.get("MemorySize", 128)),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": _log_group(config),
        "AWS_LAMBDA_LOG_FORMAT": logging.get("LogFormat") or "Text",
        "AWS_LAMBDA_LOG_STREAM_NAME": f"[{config.get('Version', '$LATEST')}]{port}",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{config.get('Runtime', '')}",
        "AWS_REGION": settings.region,
        "AWS_DEFAULT_REGION": settings.region,
        **sessions.credentials_of(config["Role"], name),
        "AWS_ENDPOINT_URL": settings.endpoint_url,
        **({"AWS_LAMBDA_LOG_LEVEL": level} if level else {}),
        STATE_DIR_MARK: str(settings.state_dir),
    }


def _own_tmp(settings: Settings, name: str, port: int) -> Path:
    """The /tmp of one execution environment: no other sees it, and it survives a killed process."""
    folder = settings.state_dir / "tmp" / "functions" / f"{name}-{port}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _log_group(config: Mapping[str, Any]) -> str:
    declared = (config.get("LoggingConfig") or {}).get("LogGroup")
    return declared or _default_log_group(config)


def _default_log_group(config: Mapping[str, Any]) -> str:
    return f"/aws/lambda/{config['FunctionName']}"


def _refuse_untrusting_roles() -> None:
    """CreateFunction and a template's function need a role that trusts Lambda."""
    handlers = handlers_of("AWS::Lambda::Function")
    create_function, update_function = handlers["create"], handlers["update"]
    create_by_request = lambda_svc._create_function
    refusal = "The role defined for the function cannot be assumed by Lambda."

    def check(properties: Properties) -> None:
        if not services.trusts_lambda(properties.get("Role", "")):
            raise ValueError(f"{refusal} (Service: Lambda, Status Code: 400)")

    def create_trusted(data: dict[str, Any]) -> Any:
        if not services.trusts_lambda(data.get("Role", "")):
            return error_response_json("InvalidParameterValueException", refusal, 400)
        return create_by_request(data)

    def create(logical_id: str, properties: Properties, stack_name: str) -> Created:
        check(properties)
        created: Created = create_function(logical_id, properties, stack_name)
        return created

    def update(
        name: str, old: Properties, new: Properties, stack_name: str, *logical_id: str
    ) -> Created:
        check(new)
        updated: Created = update_function(name, old, new, stack_name, *logical_id)
        return updated

    lambda_svc._create_function = create_trusted
    handlers.update(create=create, update=update)


def _end_processes_with_their_function() -> None:
    handlers = handlers_of("AWS::Lambda::Function")
    delete_function = handlers["delete"]

    def delete(name: str, properties: Properties) -> None:
        delete_function(name, properties)
        with others_meanwhile():
            lambda_runtime.invalidate_worker(name, account=get_account_id(), region=get_region())

    handlers["delete"] = delete


def _leave_deleted_log_groups_deleted() -> None:
    emit_logs = lambda_svc._emit_lambda_logs

    def emit(function: Mapping[str, Any], *args: Any, **kwargs: Any) -> None:
        config = function.get("config") or function
        group = _log_group(config)
        # Lambda creates its default group itself; a declared one belongs to a stack.
        exists = group == _default_log_group(config) or group in cloudwatch_logs._log_groups
        if exists and services.may_write_log(config, group, f"[{config.get('Version')}]"):
            emit_logs(function, *args, **kwargs)

    lambda_svc._emit_lambda_logs = emit


def _is_python(config: Mapping[str, Any]) -> bool:
    return str(config.get("Runtime", "")).startswith("python")


def _add_bootstrap(code_dir: Path, text: str) -> None:
    """Add what starts the function. Under ministack's lock: no fork may see it half written."""
    bootstrap = code_dir / "bootstrap"
    with lambda_svc._provided_code_lock:
        if not bootstrap.exists():
            bootstrap.write_text(text, encoding="utf-8")
            bootstrap.chmod(bootstrap.stat().st_mode | stat.S_IXUSR)
