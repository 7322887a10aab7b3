"""What cannot be built ends the deployment with a reason, and the former image stays.

One stack, and a deployment for each input. Which package is named how, and what becomes of a full
disk, of memory that ends and of throttled calls: tests/unit/functions/build_image.
"""

from pathlib import Path

from ..stack_driver import StackDriver
from .conftest import Repository, store_base
from .small_source import SmallSource
from .test_image_stack import ImageStack

# File, content, and what the reason says.
BAD_INPUT = (
    (
        "user/requirements.txt",
        "wantsnew\n",
        "wantsnew 1.0 needs apache-airflow>=4, but the lock file has apache-airflow 3.3.2.",
    ),
    (
        "user/requirements.txt",
        "sourceonly\n",
        "sourceonly 1.0 of images/airflow/user/requirements.txt has no wheel, only source code",
    ),
    (
        "user/plugins/own.py",
        "import nosuch\n",
        "images/airflow/user/plugins/own.py, line 1, cannot be imported: the image has no module "
        "nosuch. Add the package that has it",
    ),
)
# Room for the first step of a call only: 22 s are for the answer, and 30 s to call again.
SHORT_SECONDS = 60


def test_input_that_cannot_be_built_is_the_reason_and_the_former_image_stays(
    stacks: StackDriver, tmp_path: Path, base: str
) -> None:
    source = SmallSource(stacks, tmp_path, base)
    image = ImageStack(stacks, source)
    stack = stacks.create(image.template())
    assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)
    first = stack.outputs["Uri"]
    repository = Repository(stacks.aws.client("ecr"), stack.outputs["Repository"])
    (tag,) = repository.tags()

    def reason(timeout: int = 600) -> str:
        nonlocal stack
        stack = stacks.update(stack, image.template(timeout=timeout))
        assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
        assert stack.outputs["Uri"] == first
        assert repository.tags() == [tag]
        return stacks.failures(stack)["Image"]

    for name, text, expected in BAD_INPUT:
        source.write(name, text)
        assert expected in (found := reason()), found
        source.remove(name)

    source.base("public.ecr.aws/lambda-base:gone")
    assert "The base image public.ecr.aws/lambda-base:gone does not exist or is not" in reason()

    # A build that needs five calls: every part is another one.
    source.base(store_base(stacks.aws, "newer"))
    source.write("requirements.lock", source.lock + source.more)
    source.write("src/airflow_on_fargate/__init__.py", "CHANGED = True\n")
    source.write("user/plugins/own.py", "import extra\n")
    assert "not finished in 4 calls of the function; the next step was: image" in reason(
        SHORT_SECONDS
    )

    # The same input with enough time.
    stack = stacks.update(stack, image.template())
    assert stack.status == "UPDATE_COMPLETE", stacks.failures(stack)
    assert len(repository.tags()) == 2
