"""TaskFlow with dynamic task mapping: one instance for each of 50 items, then one for all."""

from airflow.sdk import dag, task

ITEM_COUNT = 50


@dag(schedule=None, tags=["smoke", "example"])
def smoke_mapped():
    """
    ### Dynamic task mapping
    Squares 50 numbers, each in a separate task, and adds up the squares. `max_active_tasks`
    (default 16), the worker's concurrency and the size of the fleet limit how many run at the same
    time, so this DAG shows how the fleet grows.
    """

    @task
    def list_items() -> list[int]:
        return list(range(1, ITEM_COUNT + 1))

    @task
    def square(number: int) -> int:
        return number * number

    @task
    def add_up(squares: list[int]) -> int:
        total = sum(squares)
        expected = ITEM_COUNT * (ITEM_COUNT + 1) * (2 * ITEM_COUNT + 1) // 6
        if total != expected:
            raise ValueError(f"The squares add up to {total} instead of {expected}")
        print(f"The squares of 1 to {ITEM_COUNT} add up to {total}")
        return total

    add_up(square.expand(number=list_items()))


smoke_mapped()
