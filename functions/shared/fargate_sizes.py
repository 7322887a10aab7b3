"""The combinations of CPU and memory that Fargate offers.

Source: Amazon ECS Developer Guide, "Troubleshoot Amazon ECS task definition invalid CPU or memory
errors", https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html
(Linux; cfn-lint's check of task definitions uses the same pairs.)
"""

from collections.abc import Sequence

# CPU units to the memory sizes in MiB.
MEMORY_BY_CPU: dict[int, Sequence[int]] = {
    256: (512, 1024, 2048),
    512: range(1024, 4096 + 1, 1024),
    1024: range(2048, 8192 + 1, 1024),
    2048: range(4096, 16384 + 1, 1024),
    4096: range(8192, 30720 + 1, 1024),
    8192: range(16384, 61440 + 1, 4096),
    16384: range(32768, 122880 + 1, 8192),
}


def describe(sizes: Sequence[int]) -> str:
    """The sizes as readable text."""
    if isinstance(sizes, range):
        return f"{sizes[0]} to {sizes[-1]} in steps of {sizes.step}"
    *most, last = sizes
    return f"{', '.join(map(str, most))} or {last}"


def size_problem(cpu: int, memory_mib: int) -> str | None:
    """What is wrong with a task's size, in one sentence; None when Fargate offers it."""
    if cpu not in MEMORY_BY_CPU:
        return f"Fargate does not offer CPU {cpu}: choose {describe(tuple(MEMORY_BY_CPU))}."
    if memory_mib not in MEMORY_BY_CPU[cpu]:
        return (
            f"Fargate does not offer {memory_mib} MiB with CPU {cpu}: choose "
            f"{describe(MEMORY_BY_CPU[cpu])}, or another CPU."
        )
    return None
