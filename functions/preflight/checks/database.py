"""The size of the database: <instance class>/<GiB>/<single-az or multi-az>."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from preflight.parameters import Parameters

_DATABASE = re.compile(r"(db\.[a-z0-9-]+\.[a-z0-9]+)/(\d{2,5})/(single-az|multi-az)")


@dataclass(frozen=True)
class DatabaseSize:
    instance_class: str
    storage_gib: int
    zones: str

    @classmethod
    def from_text(cls, text: str) -> "DatabaseSize | None":
        found = _DATABASE.fullmatch(text)
        return cls(found[1], int(found[2]), found[3]) if found else None

    def __str__(self) -> str:
        return f"{self.instance_class}/{self.storage_gib}/{self.zones}"


def database_problems(parameters: Parameters) -> Iterator[str]:
    text = parameters.text("Database")
    if DatabaseSize.from_text(text) is None:
        yield (
            f"Database is {text!r}: write <instance class>/<GiB>/<single-az or multi-az>, such as "
            "db.t4g.medium/50/multi-az."
        )
