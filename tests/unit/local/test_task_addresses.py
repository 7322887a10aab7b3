"""The loopback addresses of tasks differ between two stacks on one machine."""

import sys
from types import SimpleNamespace

import pytest

from embedded_aws.containers import addresses

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="one address for all tasks on this system"
)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"_addresses": {}, "_next": 0, "_network": ""}.items():
        monkeypatch.setattr(addresses, name, value)


def use(port: int) -> None:
    addresses.install(SimpleNamespace(endpoint_port=port))  # type: ignore[arg-type]


def test_stacks_on_two_ports_share_no_address() -> None:
    use(4566)
    first = {addresses.address_of(f"task-{number}") for number in range(20)}
    use(4567)
    second = {addresses.address_of(f"other-{number}") for number in range(20)}

    assert len(first) == len(second) == 20
    assert first.isdisjoint(second)


def test_address_is_reused_only_after_its_task_has_ended() -> None:
    use(4566)
    taken = [addresses.address_of(f"task-{number}") for number in range(254)]
    assert len(set(taken)) == 254
    with pytest.raises(addresses.NoAddressError, match="All 254 addresses"):
        addresses.address_of("one-too-many")

    addresses.release("task-7")
    assert addresses.address_of("another") == taken[7]
