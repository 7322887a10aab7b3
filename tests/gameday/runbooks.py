"""The commands of the runbooks: the shell blocks of docs/runbooks, those for a fault marked."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

RUNBOOKS = Path(__file__).parents[2] / "docs" / "runbooks"
_BLOCK = re.compile(r"^```bash(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    file: str
    text: str
    # The faults that it repairs.
    faults: tuple[str, ...]


def blocks() -> Iterator[Block]:
    for path in sorted(RUNBOOKS.glob("*.md")):
        for found in _BLOCK.finditer(path.read_text()):
            faults = tuple(re.findall(r"game-day=([a-z-]+)", found["info"]))
            yield Block(path.name, found["text"], faults)


def functions() -> str:
    """The shell functions that the blocks use, for version 1 of the AWS CLI, which is here."""
    text = next(block.text for block in blocks() if block.file == "README.md")
    return text.replace("--cli-binary-format raw-in-base64-out ", "")


def repairs() -> Mapping[str, Block]:
    """Fault → the block that repairs it."""
    return {fault: block for block in blocks() for fault in block.faults}
