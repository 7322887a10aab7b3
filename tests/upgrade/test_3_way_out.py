"""An older image on a newer schema is refused, and the instructions in the refusal work."""

from commands import smoke
from commands.airflow_image import CURRENT, PREVIOUS
from tests.upgrade.conftest import SERVING, Stack

# The head of FAB's tables before the current head of both images.
FAB_BEFORE = "6709f7a774b9"


def test_older_image_is_refused_with_instructions(stack: Stack) -> None:
    stack.bring_to(CURRENT)
    before = stack.heads()
    reasons = stack.fail_to_deploy(PREVIOUS)

    assert "restore-schema alembic_version=" in reasons
    assert stack.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert stack.heads() == before
    assert stack.version().startswith("3.3.")
    assert stack.counts() == SERVING


def test_old_version_serves_after_the_instructions(stack: Stack) -> None:
    """An explicit downgrade of both sets of tables; the older image upgrades FAB's again."""
    stack.bring_to(CURRENT)
    older = stack.needed_heads(PREVIOUS)["alembic_version"][0]
    stack.command("restore-schema", f"alembic_version={older}", f"alembic_version_fab={FAB_BEFORE}")
    assert stack.heads() == {"alembic_version": [older], "alembic_version_fab": [FAB_BEFORE]}
    # Back at their counts, and waiting for their schema.
    assert {count for count, _ in stack.counts().values()} == {1}

    stack.deploy(PREVIOUS)

    assert stack.heads() == stack.needed_heads(PREVIOUS)
    smoke.wait_healthy(stack.outputs)
    assert stack.version().startswith("3.2.")
    assert stack.counts() == SERVING
    stack.run("smoke_classic")
