"""All checks, one after the other, each bounded and none of them fatal.

A check that cannot look, or for which no time is left, is a warning and not an error: what the
others find is worth more than an answer that is complete.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from contracts.names import COMMAND, WORKER, task_family
from doctor import ports
from doctor.checks import account, components, data, roles, work
from doctor.model import Finding, warn
from shared.errors import AccessDeniedError, AwsCallError

Findings = Iterable[Finding]


@dataclass(frozen=True)
class Facts:
    """What the templates say about the deployment."""

    names: roles.Names
    queues: Sequence[str]
    worker_vcpu: float
    worker_max_count: int


@dataclass(frozen=True)
class Sources:
    containers: ports.Containers
    permissions: ports.Permissions
    databases: ports.Databases
    queues: ports.Queues
    state: ports.State
    releases: ports.Releases
    quotas: ports.Quotas
    networks: ports.Networks
    images: ports.Images
    secrets: ports.Secrets
    alarms: ports.Alarms
    clock: ports.Clock
    stacks: ports.Stacks
    # None where the stack has no certificate that you brought.
    certificates: ports.Certificates | None
    # None unless the caller asked for it: it starts a task.
    schema: ports.Schema | None


@dataclass(frozen=True)
class Examination:
    sources: Sources
    facts: Facts
    now: Callable[[], datetime]
    # Seconds that are left of the call.
    left: Callable[[], float]
    # A check may take so long: a call and its repetitions.
    reserve_seconds: float = 25

    def run(self) -> list[Finding]:
        return [
            replace(finding, check=name)
            for name, check in self._checks().items()
            for finding in self._findings(name, check)
        ]

    def _checks(self) -> dict[str, Callable[[], Findings]]:
        checks: dict[str, Callable[[], Findings]] = {
            "stack": lambda: account.stack(self.sources.stacks.status()),
            "services": self._services,
            "health": lambda: components.health(self.sources.containers.tasks()),
            "database": lambda: data.database(self.sources.databases.instance(), self.now()),
            "queues": self._queues,
            "releases": lambda: work.releases(self.sources.releases.current(), self.now()),
            "roles": self._roles,
            "image": self._image,
            "secrets": lambda: data.secrets(self.sources.secrets.all(), self.now()),
            "certificate": self._certificate,
            "Fargate quota": self._fargate,
            "Lambda quota": lambda: account.functions(self.sources.quotas.lambda_concurrency()),
            "addresses": lambda: account.addresses(
                self.sources.networks.free_addresses(), self.facts.worker_max_count
            ),
            "clock": lambda: account.clock(self.now(), self.sources.clock.of_aws()),
            "alarms": lambda: account.alarms(self.sources.alarms.ringing()),
        }
        # Last, because it waits for a task.
        checks["schema"] = self._schema
        return checks

    def _findings(self, name: str, check: Callable[[], Findings]) -> list[Finding]:
        if self.left() < self.reserve_seconds:
            return [warn("Not looked at: the time was over", "Call again, or look by hand")]
        try:
            return list(check())
        except AccessDeniedError as error:
            return [
                warn(f"Could not look: {error}", "The role of the function was changed: deploy")
            ]
        except AwsCallError as error:
            return [warn(f"Could not look: {error}", "Call again")]
        except Exception as error:
            # A damaged object, or an answer that nobody expected: the other checks still count.
            return [warn(f"Could not look: {type(error).__name__}: {error}", "Look by hand")]

    def _services(self) -> Iterator[Finding]:
        yield from components.services(self.sources.containers.services())
        yield from components.paused(self.sources.state.pause(), self.now())

    def _queues(self) -> Iterator[Finding]:
        for name in self.facts.queues:
            yield from work.queue(
                self.sources.queues.state(name), self.sources.state.fleet(name), self.now()
            )

    def _definitions(self) -> list[ports.DefinitionState]:
        """Those that services run, and those of workers and commands."""
        stack = self.facts.names.stack
        wanted = [
            *(service.task_definition for service in self.sources.containers.services()),
            task_family(stack, WORKER),
            task_family(stack, COMMAND),
        ]
        found = [self.sources.containers.definition(each) for each in dict.fromkeys(wanted)]
        return [each for each in found if each is not None]

    def _roles(self) -> Iterator[Finding]:
        yield from roles.roles(self._definitions(), self.facts.names, self.sources.permissions)

    def _image(self) -> Iterator[Finding]:
        for uri in dict.fromkeys(definition.image for definition in self._definitions()):
            if self.sources.images.is_known(uri):
                yield from account.image(self.sources.images.image(uri), self.now())
            else:
                yield from account.other_image(uri)

    def _certificate(self) -> Iterator[Finding]:
        source = self.sources.certificates
        yield from account.certificate(source.certificate() if source else None, self.now())

    def _fargate(self) -> Iterator[Finding]:
        yield from account.fargate(
            self.sources.quotas.fargate_vcpu(),
            self.sources.containers.tasks(),
            self.facts.worker_vcpu,
            self.facts.worker_max_count,
        )

    def _schema(self) -> Iterator[Finding]:
        if self.sources.schema is None:
            yield from data.schema(None)
            return
        yield from data.schema(self.sources.schema.check(self.left() - self.reserve_seconds))
