"""Starts the embedded AWS: ``python -m embedded_aws.launcher --config FILE``.

ministack emulates the services. Each subject below is one module that adds to it or
corrects it; its `install` runs before the first request. Every process that is started ends with
the launcher.
"""

import argparse
import asyncio
import importlib
import logging
import os
import signal
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from embedded_aws import processes
from embedded_aws.settings import Settings, SettingsError, load_settings

# In the order of installation. The stand-in comes first: ministack looks for Docker only once.
SUBJECTS = (
    "containers.docker_stand_in",
    "authorization.requests.enforcement",
    "containers.addresses",
    "ecs.task_events",
    "ecs.task_sizes",
    "ecs.task_definitions",
    "ecs.task_metadata",
    "containers.logs",
    "ecs.run_task",
    "ecs.tasks",
    "authorization.ecs_agent",
    "ecs.clusters",
    "ecs.services",
    "ecs.service_resources",
    "ecs.capacity_providers",
    "service_discovery.names",
    "load_balancing.target_health",
    "load_balancing.listener",
    "load_balancing.target_groups",
    "load_balancing.access_logs",
    "cloudfront.edge",
    "cloudfront.vpc_origins",
    "cloudfront.distributions",
    "acm.certificates",
    "route53.record_sets",
    "ec2.networks",
    "ec2.internet_gateways",
    "ec2.security_groups",
    "iam.role_policies",
    "iam.roles",
    "iam.resource_policies",
    "events.schedules",
    "cloudformation.conditions",
    "cloudformation.operations.deploy",
    "cloudformation.inert",
    "cloudformation.stacks",
    "cloudformation.change_sets",
    "cloudformation.validation",
    "cloudformation.limits",
    "cloudformation.unique_names",
    "lambda_functions.custom_resources",
    "cloudformation.cleanup",
    "s3.buckets",
    "kms.encrypted_resources",
    "sqs.queues",
    "secrets_manager.secrets",
    "ecr.layers",
    "ecr.scans",
    "ecr.images",
    "ecr.task_images",
    "ecr.lifecycle_policies",
    "codebuild.projects",
    "codebuild.builds",
    "codepipeline.pipelines",
    "rds.instances",
    "rds.snapshots",
    "elasticache.replication_groups",
    "lambda_functions.runtime",
    "lambda_functions.event_source_mappings",
    "lambda_functions.process_limit",
    "lambda_functions.permissions",
    "lambda_functions.concurrency",
    "cloudwatch.queue_metrics",
    "cloudwatch.resource_metrics",
    "cloudwatch.embedded_metrics",
    "events.targets",
    "events.disorder",
    "s3.object_events",
    "cloudwatch.alarms",
    "service_quotas.quotas",
    "cloudwatch.clock",
    "request_limits",
)

logger = logging.getLogger("embedded_aws")


def prepare_environment(settings: Settings) -> None:
    """Set what ministack reads from the environment while it is imported."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]  # nothing of the developer's account may be used
    os.environ.update(
        {
            "GATEWAY_PORT": str(settings.endpoint_port),
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_REGION": settings.region,
            "AWS_REGION": settings.region,
            "AWS_DEFAULT_REGION": settings.region,
            "LOG_LEVEL": settings.log_level,
            # Signatures and policies are checked.
            "AUTH": "true",
            # Ports and daemons that are not used.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "DOCKER_HOST": f"unix://{settings.state_dir}/there-is-no-docker.sock",
            # Its scratch files (pid files, unpacked functions) belong to the state folder.
            "TMPDIR": str(settings.state_dir / "tmp"),
            processes.STATE_DIR_MARK: str(settings.state_dir),
        }
    )
    (settings.state_dir / "tmp").mkdir(parents=True, exist_ok=True)
    tempfile.tempdir = None  # forget a directory found before TMPDIR was set


def install_subjects(settings: Settings) -> None:
    for name in SUBJECTS:
        module: ModuleType = importlib.import_module(f"embedded_aws.{name}")
        module.install(settings)


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; end the children while the endpoint still answers them."""
    from hypercorn.asyncio import serve as hypercorn_serve
    from ministack.app import app

    from embedded_aws import front

    config = front.ServerConfig(settings)
    logging.getLogger("hypercorn.error").propagate = False  # it has its own handler

    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)

    async def children_ended() -> None:
        await stopping.wait()
        await asyncio.to_thread(processes.registry().stop_all)

    announcement = asyncio.create_task(_announce(settings))
    # hypercorn names every kind of message; our application takes any.
    application: Any = front.in_front_of(app, settings)
    await hypercorn_serve(application, config, shutdown_trigger=children_ended)
    announcement.cancel()


async def _announce(settings: Settings) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", settings.endpoint_port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        print(f"embedded AWS ready on {settings.endpoint_url}", flush=True)
        return


def main() -> int:
    parser = argparse.ArgumentParser(description="Start the embedded AWS.")
    parser.add_argument("--config", type=Path, required=True, help="the JSON configuration file")
    try:
        settings = load_settings(parser.parse_args().config)
    except SettingsError as error:
        print(f"embedded AWS: {error}", file=sys.stderr)
        return 2
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    prepare_environment(settings)
    processes.install(settings)
    try:
        install_subjects(settings)
        asyncio.run(serve(settings))
    finally:
        processes.registry().stop_all()
    return 0


if __name__ == "__main__":
    sys.exit(main())
