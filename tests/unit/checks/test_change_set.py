"""A change set of nested stacks as Markdown."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from release_dags.change_set import changes, markdown
from release_dags.environments import ReleaseError


def change(name: str, kind: str = "AWS::S3::Bucket", action: str = "Modify", **more: Any) -> Any:
    resource = {"LogicalResourceId": name, "ResourceType": kind, "Action": action, **more}
    return {"Type": "Resource", "ResourceChange": resource}


def detail(attribute: str, name: str = "") -> dict[str, Any]:
    return {"Target": {"Attribute": attribute, **({"Name": name} if name else {})}}


class Client:
    """Change sets by their names, each a list of pages."""

    def __init__(self, **sets: list[dict[str, Any]]) -> None:
        self.sets = sets

    def describe_change_set(
        self, ChangeSetName: str, StackName: str = "", NextToken: str = "0"
    ) -> dict[str, Any]:
        if ChangeSetName not in self.sets:
            error = {"Error": {"Code": "ChangeSetNotFound", "Message": "no such change set"}}
            raise ClientError(error, "DescribeChangeSet")
        pages = self.sets[ChangeSetName]
        page = {"Status": "CREATE_COMPLETE", **pages[int(NextToken)]}
        following = int(NextToken) + 1
        return {**page, "NextToken": str(following)} if following < len(pages) else page


NESTED = change("WorkerStack", "AWS::CloudFormation::Stack", ChangeSetId="inner")
SETS: dict[str, list[dict[str, Any]]] = {
    "next": [
        {"Changes": [NESTED]},
        {"Changes": [change("Old", action="Remove"), change("New", action="Add")]},
    ],
    "inner": [
        {
            "Changes": [
                change(
                    "TaskDefinition",
                    "AWS::ECS::TaskDefinition",
                    Replacement="True",
                    Details=[detail("Properties", "Cpu"), detail("Properties", "Cpu")],
                ),
                change("LogGroup", "AWS::Logs::LogGroup", Details=[detail("Tags")]),
            ]
        }
    ],
}


def test_changes_of_nested_stacks_are_named_by_their_path():
    text = markdown(changes(Client(**SETS), "airflow", "next"), "airflow")
    assert (
        text
        == """\
### Change set for `airflow`

**Replaced or removed:**

- `WorkerStack/TaskDefinition` (AWS::ECS::TaskDefinition)
- `Old` (AWS::S3::Bucket)

```diff
! WorkerStack/TaskDefinition (AWS::ECS::TaskDefinition, replaced): Cpu
! WorkerStack/LogGroup (AWS::Logs::LogGroup): Tags
- Old (AWS::S3::Bucket)
+ New (AWS::S3::Bucket)
```
"""
    )


def test_change_set_without_changes_says_so():
    reason = "The submitted information didn't contain changes. Submit different information"
    client = Client(next=[{"Status": "FAILED", "StatusReason": reason}])
    assert "Nothing changes." in markdown(changes(client, "airflow", "next"), "airflow")


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ({"Status": "FAILED", "StatusReason": "no bucket"}, "could not be made: no bucket"),
        ({"Status": "CREATE_IN_PROGRESS"}, "is not complete"),
    ],
)
def test_change_set_that_is_not_there_is_an_error(page, message):
    with pytest.raises(ReleaseError, match=message):
        changes(Client(next=[page]), "airflow", "next")
    with pytest.raises(ReleaseError, match="no such change set"):
        changes(Client(), "airflow", "next")
