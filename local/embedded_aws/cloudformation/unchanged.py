"""A stack update does not touch what it does not change: no handler, no Update request, no event.

ministack 1.5.33 calls the update handler for every resource of the template and reports
UPDATE_COMPLETE for each. AWS compares the properties first, and its events name only the resources
that differ, so that users see what an update has touched. A nested stack is always examined,
because its template may differ behind the same URL.
"""

from typing import Any

from ministack.services.cloudformation import stacks

from embedded_aws.cloudformation.engine import Properties, stack_events, stack_named
from embedded_aws.settings import Settings

_NESTED_STACK = "AWS::CloudFormation::Stack"

# Resources whose completion is not reported: (stack id, logical id).
_silent: set[tuple[str, str]] = set()


def install(settings: Settings) -> None:
    update = stacks._update_keeping_seed
    add_event = stacks._add_event

    def update_what_differs(
        resource_type: str,
        physical_id: str,
        old: Properties,
        new: Properties,
        stack_name: str,
        logical_id: str,
        attributes: dict[str, Any],
    ) -> Any:
        if resource_type == _NESTED_STACK or old != new:
            return update(resource_type, physical_id, old, new, stack_name, logical_id, attributes)
        stack = stack_named(stack_name)
        if stack:
            _take_back_begin(stack["StackId"], logical_id)
            _silent.add((stack["StackId"], logical_id))
        return (physical_id, attributes), stacks._NAME_SEED.get()

    def add_event_of_what_differs(
        stack_id: str,
        stack_name: str,
        logical_id: str,
        resource_type: str,
        status: str,
        *arguments: Any,
        **keywords: Any,
    ) -> None:
        if status == "UPDATE_COMPLETE" and (stack_id, logical_id) in _silent:
            _silent.discard((stack_id, logical_id))
            return
        add_event(stack_id, stack_name, logical_id, resource_type, status, *arguments, **keywords)

    stacks._update_keeping_seed = update_what_differs
    stacks._add_event = add_event_of_what_differs


def _take_back_begin(stack_id: str, logical_id: str) -> None:
    """Remove the UPDATE_IN_PROGRESS event that precedes the comparison of the properties."""
    events = stack_events(stack_id)
    for index in range(len(events) - 1, -1, -1):
        event = events[index]
        if event["LogicalResourceId"] == logical_id:
            if event["ResourceStatus"] == "UPDATE_IN_PROGRESS":
                del events[index]
            return
