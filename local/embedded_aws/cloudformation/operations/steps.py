"""Runs the steps of an operation side by side, each when those that it needs have succeeded.

A step begins when the one before it has ended or waits (see `turns`). Which of the steps that could
begin is next depends on the seed, so a needed DependsOn that is missing shows: either of two
resources may be first, and each may be complete before the other begins.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from ministack.services.cloudformation import engine

from embedded_aws.cloudformation.operations.turns import Turn, call_soon
from embedded_aws.seed import generator_for

# Of one stack. A nested stack waits in its parent's thread, so a limit of all stacks could block.
_MOST_AT_ONCE = 50

Needs = Mapping[str, set[str]]
# Whether the step has succeeded.
Work = Callable[[str, Turn], Awaitable[bool]]


def needs_of(definitions: Mapping[str, Any], names: Iterable[str]) -> Needs:
    """What each of the named resources needs of them, directly or through others.

    The definitions are those of all resources that the stack has; a condition may leave some out.
    """
    chosen = set(names)
    everything = set(definitions)
    direct = {
        name: engine._extract_deps(definition, everything) - {name}
        for name, definition in definitions.items()
    }
    return {name: _reachable(name, direct) & chosen for name in chosen}


def reversed_needs(needs: Needs) -> Needs:
    """For deletions: each after those that need it."""
    return {name: {other for other in needs if name in needs[other]} for name in needs}


def _reachable(name: str, direct: Needs) -> set[str]:
    found: set[str] = set()
    pending = list(direct.get(name, ()))
    while pending:
        other = pending.pop()
        if other not in found and other != name:
            found.add(other)
            pending += direct.get(other, ())
    return found


class Steps:
    def __init__(self, needs: Needs, work: Work) -> None:
        self._waiting = dict(needs)
        self._work = work
        self._generator = generator_for(sorted(needs))
        self._succeeded: set[str] = set()
        self._changed = asyncio.Event()
        self._stopped = False
        self.running: dict[str, Turn] = {}

    def stop(self) -> None:
        """Begin no more steps; those that run go on."""
        self._stopped = True
        self._changed.set()

    async def run(self) -> None:
        """Until no step runs and none can begin."""
        tasks: list[asyncio.Task[bool]] = []
        while True:
            free = self._free()
            if free:
                tasks.append(await self._begin(self._generator.choice(free)))
            elif self.running:
                self._changed.clear()
                await self._changed.wait()
            else:
                break
        await asyncio.gather(*tasks)  # raises what a step did not handle

    def _free(self) -> list[str]:
        if self._stopped or len(self.running) >= _MOST_AT_ONCE:
            return []
        return sorted(name for name, needs in self._waiting.items() if needs <= self._succeeded)

    async def _begin(self, name: str) -> asyncio.Task[bool]:
        """Return when the step has ended, or waits for something."""
        del self._waiting[name]
        loop = asyncio.get_running_loop()
        next_may_begin = asyncio.Event()
        turn = Turn(when_it_waits=lambda: call_soon(loop, next_may_begin.set))
        self.running[name] = turn

        def ended(task: asyncio.Task[bool]) -> None:
            del self.running[name]
            if not task.cancelled() and task.exception() is None and task.result():
                self._succeeded.add(name)
            next_may_begin.set()
            self._changed.set()

        task = asyncio.ensure_future(self._work(name, turn))
        task.add_done_callback(ended)
        await next_may_begin.wait()
        return task
