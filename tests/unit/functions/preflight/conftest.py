"""A request that the preflight accepts, and the account in memory."""

from dataclasses import dataclass, field, replace

import pytest

from preflight.preflight import CLOUDFRONT_PREFIX_LIST, Preflight
from shared.cloudformation.custom_resource import CustomResourceRequest


class InMemoryServiceLinkedRoles:
    def __init__(self):
        self.services = []

    def ensure(self, service):
        self.services.append(service)


@dataclass
class InMemoryPrefixLists:
    lists: dict = field(default_factory=lambda: {CLOUDFRONT_PREFIX_LIST: "pl-1"})

    def find(self, name):
        return self.lists.get(name)


@dataclass
class InMemoryWorkers:
    running: int = 0
    asked: list = field(default_factory=list)

    def count(self, stack_name):
        self.asked.append(stack_name)
        return self.running


@dataclass
class InMemoryStacks:
    rolling_back: bool = False
    asked: list = field(default_factory=list)

    def is_rolling_back(self, stack_id):
        self.asked.append(stack_id)
        return self.rolling_back


@pytest.fixture
def properties(sample_event):
    return sample_event("preflight/custom-resource-create")["ResourceProperties"]


@pytest.fixture
def created(sample_event):
    """A request to create, with changes."""

    def make(**changes):
        event = sample_event("preflight/custom-resource-create")
        request = CustomResourceRequest.from_event(event)
        return replace(request, properties={**request.properties, **changes})

    return make


@pytest.fixture
def updated(sample_event):
    """A request to update, from the old properties with changes to the new ones with changes."""

    def make(old, new):
        event = sample_event("preflight/custom-resource-update")
        request = CustomResourceRequest.from_event(event)
        return replace(
            request,
            properties={**request.properties, **new},
            old_properties={**request.old_properties, **old},
        )

    return make


@pytest.fixture
def preflight():
    return Preflight(
        InMemoryServiceLinkedRoles(), InMemoryPrefixLists(), InMemoryStacks(), InMemoryWorkers()
    )
