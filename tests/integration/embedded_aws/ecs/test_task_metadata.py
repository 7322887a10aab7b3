"""The task metadata endpoint, version 4, as a process of a task reads it."""

import json

from ..ecs_tasks import Ecs, address_of

READ_METADATA = """exec python3 -c '
import json, os, urllib.request
uri = os.environ["ECS_CONTAINER_METADATA_URI_V4"]
read = lambda path: json.load(urllib.request.urlopen(uri + path))
print(json.dumps([read(""), read("/task")]))
'"""


def test_metadata_endpoint_names_task_and_container(ecs: Ecs) -> None:
    definition = ecs.register(READ_METADATA)
    task = ecs.finished(definition)
    container, whole = json.loads(ecs.output(task)[0])

    assert whole["TaskARN"] == task["taskArn"]
    assert whole["Cluster"] == task["clusterArn"]
    assert f"{whole['Family']}:{whole['Revision']}" == definition.rsplit("/", 1)[-1]
    assert container["Name"] == "main"
    assert container["Image"] == "local/sh:1"
    assert container["Labels"]["com.amazonaws.ecs.task-arn"] == task["taskArn"]
    assert container["Networks"][0]["IPv4Addresses"] == [address_of(task)]
