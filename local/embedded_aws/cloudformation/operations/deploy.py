"""CreateStack and UpdateStack.

Where it matters for order, time and failure, this is what CloudFormation does:

- A resource is begun as soon as those that it refers to, or names in DependsOn, are complete.
- The first failure cancels the resources in progress. Their events say so at once, and the rollback
  begins when their handlers have ended. A custom resource is not waited for: its Delete may come
  while its Create still runs, with a physical id that CloudFormation has generated.
- Without rollback (DisableRollback) a failure stops only what depends on the failed resource.
- An update does not touch what it does not change: no request, no event. A nested stack is always
  examined, because its template may differ behind the same URL.
"""

import asyncio
import copy
import logging
from collections.abc import Callable
from typing import Any

from ministack.services import cloudformation
from ministack.services.cloudformation import changesets, handlers, stacks

from embedded_aws.cloudformation.engine import FailedCreateError, stack_named
from embedded_aws.cloudformation.operations import roll_back
from embedded_aws.cloudformation.operations.delete import delete
from embedded_aws.cloudformation.operations.records import (
    STACK,
    Record,
    Scope,
    record,
)
from embedded_aws.cloudformation.operations.steps import Steps, needs_of
from embedded_aws.cloudformation.operations.turns import Turn, call_soon, current_turn, take_turn
from embedded_aws.cloudformation.operations.unneeded import Replaced, Unneeded
from embedded_aws.seed import seed
from embedded_aws.settings import Settings

_CUSTOM_RESOURCE = "AWS::CloudFormation::CustomResource"
_BY_USER = "User Initiated"

logger = logging.getLogger("embedded_aws.cloudformation")
_deploy_imports_too = stacks._deploy_stack_async
# By the stack's id, for the user who cancels.
_running: dict[str, Callable[[], None]] = {}


async def deploy(
    stack_name: str,
    stack_id: str,
    template: dict[str, Any],
    param_values: dict[str, Any],
    disable_rollback: bool,
    tags: list[dict[str, str]],
    is_update: bool = False,
    previous_stack: dict[str, Any] | None = None,
    retain_except_on_create: bool = False,
    imports: dict[str, Any] | None = None,
) -> None:
    """Create or update a stack, and roll it back if that fails. The same call as ministack's."""
    if imports:
        await _deploy_imports_too(
            stack_name, stack_id, template, param_values, disable_rollback, tags, is_update,
            previous_stack, retain_except_on_create, imports,
        )  # fmt: skip
        return
    stack = stack_named(stack_name)
    if stack is None:
        return
    stack.pop("_failed_operation", None)
    scope = Scope.of(stack_name, stack_id, template, param_values)
    deployment = Deployment(
        scope, stack, previous_stack if is_update else None, is_update, disable_rollback,
        retain_except_on_create,
    )  # fmt: skip
    # A parent that fails cancels its nested stacks.
    loop = asyncio.get_running_loop()
    current_turn().when_cancelled(lambda: call_soon(loop, deployment.cancel))
    _running[stack_id] = lambda: call_soon(loop, deployment.cancel, _BY_USER)
    try:
        await deployment.run()
    finally:
        del _running[stack_id]


class Deployment:
    def __init__(
        self,
        scope: Scope,
        stack: dict[str, Any],
        previous: dict[str, Any] | None,
        is_update: bool,
        disable_rollback: bool,
        retain_except_on_create: bool,
    ) -> None:
        self._scope = scope
        self._stack = stack
        self._is_update = is_update
        self._verb = "UPDATE" if is_update else "CREATE"
        self._previous = previous or {}
        self._old: dict[str, Record] = self._previous.get("_resources", {})
        old_scope = Scope.of(
            scope.name, scope.id, self._previous.get("_template"),
            self._previous.get("_resolved_params", {}),
        )  # fmt: skip
        self._disable_rollback = disable_rollback
        self._resources: dict[str, Record] = stack.setdefault("_resources", {})
        self._tags = stack.get("Tags") or []
        self._old_tags = self._previous.get("Tags") or []
        self._unneeded = Unneeded(scope, old_scope, self._resources, self._old)
        self._operation = roll_back.operation(
            is_update=is_update, previous_stack=previous, template=scope.template,
            param_values=scope.values, retain_except_on_create=retain_except_on_create,
            stack_tags=self._tags, previous_tags=self._old_tags,
        )  # fmt: skip
        # Steps whose end is known, and those that were in progress when something else failed.
        self._ended: set[str] = set()
        self._cancelled: set[str] = set()
        self._steps = Steps(needs_of(scope.definitions, scope.definitions), self._step)

    def cancel(self, reason: str = "") -> None:
        """Begin nothing more, and end what is in progress. With a reason, the user asked for it."""
        if not self._operation["cancelled"]:
            self._operation["cancelled"] = reason or True
            self._stop()

    async def run(self) -> None:
        definitions, scope = self._scope.template.get("Resources", {}), self._scope
        try:
            ordered = stacks._topological_sort(definitions, scope.conditions)
        except ValueError as error:
            self._end_failed(str(error))
            return
        if not self._stack.get("_disable_validation") and stacks._fail_property_validation(
            self._stack, scope.id, scope.name, definitions, ordered, scope.values,
            scope.conditions, scope.mappings, self._disable_rollback,
            previous_stack=self._previous if self._is_update else None,
        ):  # fmt: skip
            return

        await self._steps.run()

        if self._stack.pop("_cancel_requested", False):
            # The events of the rollback have the token of CancelUpdateStack.
            stacks.CLIENT_REQUEST_TOKEN.set(self._stack.pop("_cancel_token", ""))
        if roll_back.has_failed(self._operation):
            await self._fail(roll_back.sentences(self._operation))
            return
        try:
            outputs, exports = self._outputs()
        except Exception as error:
            logger.error("The outputs of %s cannot be resolved: %s", scope.name, error)
            scope.stack_event(f"{self._verb}_FAILED", str(error))
            await self._fail(str(error))
            return
        await self._unneeded.delete()
        self._stack.update(
            _resources=self._resources, _template=scope.template, _resolved_params=scope.values,
            Outputs=outputs, StackStatus=f"{self._verb}_COMPLETE",
        )  # fmt: skip
        cloudformation._exports.update(exports)
        scope.stack_event(f"{self._verb}_COMPLETE")

    async def _step(self, logical_id: str, turn: Turn) -> bool:
        """Create, update or leave one resource; whether what depends on it can follow."""
        definition = self._scope.definitions[logical_id]
        attempt = _Attempt(
            logical_id, definition.get("Type", _CUSTOM_RESOURCE), self._old.get(logical_id)
        )
        try:
            changed = await self._make(attempt, definition, turn)
        except Exception as error:
            self._ended.add(logical_id)
            self._record_failure(attempt, error)
            return False
        self._ended.add(logical_id)
        if not changed:
            return True
        cancelled = logical_id in self._cancelled
        status = f"{attempt.verb}_{'FAILED' if cancelled else 'COMPLETE'}"
        self._resources[logical_id] = record(
            logical_id, attempt.resource_type, status, attempt.new_id, attempt.properties,
            attempt.attributes, _dynamic=attempt.dynamic_values, _name_seed=attempt.name_seed,
        )  # fmt: skip
        self._operation["created"].append(logical_id)
        if not cancelled:
            self._scope.event(logical_id, attempt.resource_type, status, physical=attempt.new_id)
        return not cancelled

    async def _make(self, attempt: "_Attempt", definition: Any, turn: Turn) -> bool:
        """Fill in the attempt; whether anything was done."""
        scope, logical_id, resource_type = self._scope, attempt.logical_id, attempt.resource_type
        self._resolve(attempt, definition)
        new = scope.tagged(logical_id, resource_type, attempt.properties, self._tags)
        if attempt.old is None:
            scope.event(logical_id, resource_type, "CREATE_IN_PROGRESS")
            (attempt.new_id, attempt.attributes), attempt.name_seed = await take_turn(
                stacks._provision_keeping_seed, resource_type, logical_id, new, scope.name,
                turn=turn,
            )  # fmt: skip
            return True
        old = scope.tagged(logical_id, resource_type, attempt.old["Properties"], self._old_tags)
        if resource_type != STACK and old == new:
            return False
        scope.event(logical_id, resource_type, "UPDATE_IN_PROGRESS", physical=attempt.old_id)
        await self._update(attempt, old, new, turn)
        return True

    async def _update(
        self, attempt: "_Attempt", old: dict[str, Any], new: dict[str, Any], turn: Turn
    ) -> None:
        scope, logical_id, resource_type = self._scope, attempt.logical_id, attempt.resource_type
        record = attempt.old or {}
        refused = stacks._custom_named_replacement_error(resource_type, old, new)
        if not refused and stacks._replacing_change(resource_type, old, new):
            scope.event(
                logical_id, resource_type, "UPDATE_IN_PROGRESS",
                "Requested update requires the creation of a new physical resource; hence creating "
                "one.", attempt.old_id,
            )  # fmt: skip
        elif not refused:
            # A refusal or a replacement leaves the resource as it was: nothing to send back.
            attempt.sent = [resource_type, attempt.old_id, new, old, record.get("Attributes")]
        pending_deletes: list[Any] = []
        # The step is a task, so that the variables are those of this resource.
        stacks._RETAIN_REPLACED.set(
            scope.policy(logical_id, "UpdateReplacePolicy", self._resources)
            in stacks._RETAINING_POLICIES
        )
        stacks._DEFERRED_PREDECESSOR_DELETES.set(pending_deletes)
        stacks._NAME_SEED.set(record.get("_name_seed", ""))
        (attempt.new_id, attempt.attributes), attempt.name_seed = await take_turn(
            stacks._update_keeping_seed, resource_type, attempt.old_id, old, new, scope.name,
            logical_id, record.get("Attributes", {}), turn=turn,
        )  # fmt: skip
        if attempt.new_id != attempt.old_id or pending_deletes:
            self._unneeded.replaced[logical_id] = Replaced(attempt.new_id, pending_deletes)
            self._operation["replaced_ids"].append(logical_id)

    def _resolve(self, attempt: "_Attempt", definition: Any) -> None:
        """The properties, without references; dynamic references are those of ministack."""
        scope = self._scope
        properties = stacks._resolve_refs(
            copy.deepcopy(definition.get("Properties", {})), self._resources, scope.values,
            scope.conditions, scope.mappings, scope.name, scope.id,
        )  # fmt: skip
        if isinstance(properties, dict):
            properties = {
                key: value for key, value in properties.items() if value is not stacks._NO_VALUE
            }
        old_template = self._previous.get("_template", {})
        attempt.properties, attempt.dynamic_values = stacks._resolve_dynamic_references(
            properties,
            (attempt.old or {}).get("_dynamic"),
            reuse_ssm=self._is_update
            and scope.template == old_template
            and scope.values == self._previous.get("_resolved_params"),
            reuse_secrets=attempt.old is not None
            and old_template.get("Resources", {}).get(attempt.logical_id) == definition,
        )

    def _record_failure(self, attempt: "_Attempt", error: Exception) -> None:
        logical_id, was_cancelled = attempt.logical_id, attempt.logical_id in self._cancelled
        if isinstance(error, FailedCreateError) and (
            attempt.old is None or not self._disable_rollback
        ):
            # There is something that the rollback, or the deletion of the stack, has to delete.
            self._resources[logical_id] = record(
                logical_id, attempt.resource_type, "CREATE_FAILED", error.physical_id,
                attempt.properties, ResourceStatusReason=str(error),
            )  # fmt: skip
            self._operation["created"].append(logical_id)
        if not was_cancelled:
            self._note_failure_of(logical_id)
            logger.error("%s (%s) failed: %s", logical_id, attempt.resource_type, error)
            self._scope.event(
                logical_id, attempt.resource_type, f"{attempt.verb}_FAILED", str(error),
                getattr(error, "physical_id", attempt.old_id),
            )  # fmt: skip
        update = attempt.sent or [attempt.resource_type, attempt.old_id, None, None, None]
        if attempt.old is not None:
            self._operation["failed_updates"][logical_id] = update
        if not self._disable_rollback:
            self._stop()

    def _note_failure_of(self, logical_id: str) -> bool:
        """For the stack's reason; whether the resource is new."""
        is_new = logical_id not in self._old
        self._operation["failed_to_create" if is_new else "failed_to_update"].append(logical_id)
        return is_new

    def _stop(self) -> None:
        self._steps.stop()
        for logical_id, turn in list(self._steps.running.items()):
            if logical_id in self._cancelled | self._ended:
                continue
            self._cancelled.add(logical_id)
            is_new = self._note_failure_of(logical_id)
            resource_type = self._scope.definitions[logical_id].get("Type", _CUSTOM_RESOURCE)
            self._scope.event(
                logical_id,
                resource_type,
                "CREATE_FAILED" if is_new else "UPDATE_FAILED",
                f"Resource {'creation' if is_new else 'update'} cancelled",
                self._old.get(logical_id, {}).get("PhysicalResourceId", ""),
            )
            turn.cancel()

    async def _fail(self, reason: str) -> None:
        if self._disable_rollback:
            self._end_failed(reason)
            return
        # Looked up where other modules wrap it.
        await stacks._roll_back_operation(
            self._scope.name, self._scope.id, self._stack, self._operation
        )

    def _end_failed(self, reason: str) -> None:
        status = f"{self._verb}_FAILED"
        # RollbackStack uses the operation.
        self._stack.update(
            StackStatus=status, StackStatusReason=reason, _failed_operation=self._operation
        )
        self._scope.stack_event(status, reason)

    def _outputs(self) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        kept = {
            logical_id: found
            for logical_id, found in self._resources.items()
            if logical_id in self._scope.definitions
        }
        scope = self._scope
        resolved: tuple[list[dict[str, Any]], dict[str, Any]] = stacks._resolve_stack_outputs(
            scope.template.get("Outputs", {}), scope.conditions, kept, scope.values,
            scope.mappings, scope.name, scope.id,
        )  # fmt: skip
        return resolved


class _Attempt:
    """What is known of a resource while its step runs."""

    def __init__(self, logical_id: str, resource_type: str, old: Record | None) -> None:
        self.logical_id = logical_id
        self.resource_type = resource_type
        self.old = old
        self.verb = "CREATE" if old is None else "UPDATE"
        self.old_id: str = (old or {}).get("PhysicalResourceId", "")
        self.properties: Any = {}
        self.dynamic_values: Any = None
        self.new_id = ""
        self.attributes: Any = None
        self.name_seed = ""
        # For an update in place: type, id, properties sent, properties before, attributes.
        self.sent: list[Any] | None = None


def _cancel_running_update() -> None:
    """CancelUpdateStack: ministack only notes the request, for before the next resource."""
    note = handlers._ACTION_HANDLERS["CancelUpdateStack"]

    def cancel(request: dict[str, list[str]]) -> Any:
        response = note(request)
        stack = stack_named(request.get("StackName", [""])[0]) or {}
        cancel_deployment = _running.get(stack.get("StackId", ""))
        if response[0] < 400 and cancel_deployment is not None:
            cancel_deployment()
        return response

    handlers._ACTION_HANDLERS["CancelUpdateStack"] = cancel


def install(settings: Settings) -> None:
    _cancel_running_update()
    seed()  # in the log before the first deployment
    # For what is left to ministack: imports, and ContinueUpdateRollback.
    stacks.run_reentrant = take_turn
    stacks._runs_on_worker_thread = lambda resource_type: True
    for module in (stacks, handlers, changesets):
        module._deploy_stack_async = deploy
    for module in (stacks, handlers):
        module._delete_stack_async = delete
        module._roll_back_operation = roll_back.roll_back
