"""The size of the database: <instance class>/<GiB>/<single-az or multi-az>."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from preflight.parameters import Parameters

_DATABASE = re.compile(r"(db\.[a-z0-9-]+\.[a-z0-9]+)/(\d{2,5})/(single-az|multi-az)")
# nested/database-alarms.yaml has the thresholds of its alarms for these.
INSTANCE_SIZES: Final = (
    "micro", "small", "medium", "large", "xlarge", "2xlarge", "3xlarge", "4xlarge", "6xlarge",
    "8xlarge", "9xlarge", "10xlarge", "12xlarge", "16xlarge", "18xlarge", "24xlarge", "32xlarge",
    "48xlarge",
)  # fmt: skip


@dataclass(frozen=True)
class DatabaseSize:
    instance_class: str
    storage_gib: int
    zones: str

    @classmethod
    def from_text(cls, text: str) -> "DatabaseSize | None":
        found = _DATABASE.fullmatch(text)
        return cls(found[1], int(found[2]), found[3]) if found else None

    @property
    def instance_size(self) -> str:
        return self.instance_class.rsplit(".", 1)[-1]

    def __str__(self) -> str:
        return f"{self.instance_class}/{self.storage_gib}/{self.zones}"


def database_problems(parameters: Parameters) -> Iterator[str]:
    text = parameters.text("Database")
    size = DatabaseSize.from_text(text)
    if size is None:
        yield (
            f"Database is {text!r}: write <instance class>/<GiB>/<single-az or multi-az>, such as "
            "db.t4g.medium/50/multi-az."
        )
    elif size.instance_size not in INSTANCE_SIZES:
        yield (
            f"Database has the size {size.instance_size}, for which the alarms have "
            f"no thresholds: choose a class whose name ends in {', '.join(INSTANCE_SIZES)}."
        )
