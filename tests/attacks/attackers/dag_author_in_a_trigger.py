"""What a task or a deadline has the triggerer run."""

from tests.attacks.attempt import Attacker, refused, succeeds

CLASSES = "tests/unit/image/patches/test_trigger_classes.py"
REAL = "tests/integration/image/test_triggerer.py::test_task_cannot_run_a_function_in_the_triggerer"

ATTACKER = Attacker(
    name="DAG author in a trigger",
    has="a task that defers with a class path and arguments, or a callback of a deadline",
    attempts=(
        refused(
            "have a real triggerer run a function, a class, a method or a callback",
            REAL,
            "The triggerer runs subclasses of `BaseTrigger` only",
        ),
        refused(
            "name a function (`os.system`, `builtins.eval`, `pickle.loads`, …)",
            f"{CLASSES}::test_task_cannot_name_anything_but_a_trigger[os.system]",
            "The triggerer runs subclasses of `BaseTrigger` only",
        ),
        refused(
            "name a class that is not a trigger (`subprocess.Popen`, `BashOperator`, …)",
            f"{CLASSES}::test_task_cannot_name_anything_but_a_trigger[subprocess.Popen]",
            "The triggerer runs subclasses of `BaseTrigger` only",
        ),
        refused(
            "name a function that changes the database",
            f"{CLASSES}::test_task_cannot_name_anything_but_a_trigger[airflow.models.variable.Variable.set]",
        ),
        refused(
            "defer to the trigger that runs callbacks",
            f"{CLASSES}::test_task_cannot_have_a_callback_run",
            "run code in the scheduler or the triggerer",
        ),
        succeeds(
            "have the callback of a deadline run a function",
            f"{CLASSES}::test_limit_callback_of_a_deadline_runs_any_function",
            "The callback of a deadline is a function that the DAG names",
        ),
        succeeds(
            "use a trigger of the image with the triggerer's rights",
            f"{CLASSES}::test_limit_trigger_of_the_image_acts_with_the_rights_of_the_triggerer",
            "A trigger of the image acts with the rights of the triggerer",
        ),
    ),
)
