"""Managed prefix lists in EC2."""

from typing import Any, Protocol

from shared.aws.named_errors import named_errors


class Ec2Client(Protocol):
    """What is used of EC2."""

    def describe_managed_prefix_lists(self, *, Filters: list[dict[str, Any]]) -> Any: ...


class Ec2PrefixLists:
    def __init__(self, client: Ec2Client) -> None:
        self._client = client

    def find(self, name: str) -> str | None:
        with named_errors(f"look for the prefix list {name}"):
            answer = self._client.describe_managed_prefix_lists(
                Filters=[{"Name": "prefix-list-name", "Values": [name]}]
            )
        return next((str(each["PrefixListId"]) for each in answer["PrefixLists"]), None)
