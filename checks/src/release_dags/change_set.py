"""What a change set of CloudFormation would change, nested stacks included, as Markdown."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from release_dags.environments import ReleaseError

_NESTED = "AWS::CloudFormation::Stack"
_SIGNS = {"Add": "+", "Modify": "!", "Remove": "-", "Import": "+", "Dynamic": "!"}
_MOST_ROWS = 100
# A change set of an unchanged stack fails, and says so.
_NOTHING = ("didn't contain changes", "No updates are to be performed")


@dataclass(frozen=True)
class Change:
    """One resource, by its path through the nested stacks."""

    path: str
    kind: str
    action: str
    replacement: str
    properties: tuple[str, ...]


def changes(client: Any, stack: str, change_set: str) -> list[Change]:
    """All changes of a change set that has been made.

    Raises:
        ReleaseError: there is none, or it could not be made.
    """
    return list(_changes(client, stack, change_set, ""))


def markdown(found: list[Change], stack: str) -> str:
    """For a comment on a pull request: what is replaced first."""
    lines = [f"### Change set for `{stack}`", ""]
    if not found:
        return "\n".join([*lines, "Nothing changes."]) + "\n"
    replaced = [each for each in found if each.replacement == "True" or each.action == "Remove"]
    if replaced:
        lines += ["**Replaced or removed:**", ""]
        lines += [f"- `{each.path}` ({each.kind})" for each in replaced[:_MOST_ROWS]]
        lines.append("")
    lines.append("```diff")
    for each in found[:_MOST_ROWS]:
        replacement = ", replaced" if each.replacement == "True" else ""
        maybe = ", perhaps replaced" if each.replacement == "Conditional" else ""
        named = f": {', '.join(each.properties)}" if each.properties else ""
        sign = _SIGNS.get(each.action, "!")
        lines.append(f"{sign} {each.path} ({each.kind}{replacement}{maybe}){named}")
    if len(found) > _MOST_ROWS:
        lines.append(f"# and {len(found) - _MOST_ROWS} more")
    lines.append("```")
    return "\n".join(lines) + "\n"


def _changes(client: Any, stack: str, change_set: str, prefix: str) -> Iterator[Change]:
    for page in _pages(client, stack, change_set):
        for each in page.get("Changes", []):
            resource = each["ResourceChange"]
            path = f"{prefix}{resource['LogicalResourceId']}"
            if resource["ResourceType"] == _NESTED and resource.get("ChangeSetId"):
                # Its own changes say more than that it changes.
                yield from _changes(client, "", resource["ChangeSetId"], f"{path}/")
                continue
            targets = [detail["Target"] for detail in resource.get("Details", [])]
            properties = {
                str(target.get("Name") or target["Attribute"]) for target in targets if target
            }
            yield Change(
                path,
                resource["ResourceType"],
                resource["Action"],
                resource.get("Replacement", ""),
                tuple(sorted(properties)),
            )


def _pages(client: Any, stack: str, change_set: str) -> Iterator[dict[str, Any]]:
    arguments = {"ChangeSetName": change_set, **({"StackName": stack} if stack else {})}
    token: dict[str, str] = {}
    while True:
        try:
            page = client.describe_change_set(**arguments, **token)
        except (BotoCoreError, ClientError) as error:
            raise ReleaseError(f"The change set {change_set} cannot be read: {error}") from error
        reason = str(page.get("StatusReason", ""))
        if page["Status"] == "FAILED" and not any(each in reason for each in _NOTHING):
            raise ReleaseError(f"The change set {change_set} could not be made: {reason}")
        if page["Status"].endswith(("_PENDING", "_IN_PROGRESS")):
            raise ReleaseError(f"The change set {change_set} is not complete: wait for it first")
        yield page
        if not page.get("NextToken"):
            return
        token = {"NextToken": page["NextToken"]}
