"""The repository of the image: nothing replaces or deletes an image that a task may start with."""

import json
from collections.abc import Iterator

from dry_deployment import deploy

WRITES = {
    "ecr:InitiateLayerUpload",
    "ecr:UploadLayerPart",
    "ecr:CompleteLayerUpload",
    "ecr:PutImage",
}


def actions() -> Iterator[str]:
    """What the builder may do in ECR."""
    role = deploy().child("ImageStack").properties("BuildImageRole")
    for policy in role["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            found = statement["Action"]
            yield from [found] if isinstance(found, str) else found


def test_tag_always_means_the_same_image_and_every_image_is_scanned() -> None:
    repository = deploy().child("ImageStack").properties("Repository")

    assert repository["ImageTagMutability"] == "IMMUTABLE"
    assert repository["ImageScanningConfiguration"] == {"ScanOnPush": True}


def test_life_cycle_deletes_only_images_without_a_tag() -> None:
    """ECR does not know what runs. Task definitions name images that have a tag, by digest."""
    repository = deploy().child("ImageStack").properties("Repository")
    policy = json.loads(repository["LifecyclePolicy"]["LifecyclePolicyText"])

    assert {rule["selection"]["tagStatus"] for rule in policy["rules"]} == {"untagged"}


def test_builder_can_neither_delete_an_image_nor_move_a_tag() -> None:
    may_write = {
        action
        for action in actions()
        if action.startswith("ecr:")
        and not action.startswith(("ecr:Describe", "ecr:BatchGet", "ecr:BatchCheck", "ecr:Get"))
    }

    assert may_write == WRITES


def test_repository_is_deleted_with_the_stack_although_it_has_images() -> None:
    stack = deploy().child("ImageStack")

    assert stack.properties("Repository")["EmptyOnDelete"] is True
    assert stack.resources["Repository"]["DeletionPolicy"] == "Delete"
