"""Which of several files that define the same DAG stays in a release.

Airflow would show the one that it parsed last, so a DAG could change back and forth. The file that
was live with the DAG wins, otherwise the first by path: so the winner does not depend on the order
in which files are uploaded.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from contracts.release_manifest import printable

# The ids of the DAGs of each file, with their lines.
Dags = Mapping[str, Mapping[str, int]]


_FIRST = "which comes first by path"
_LIVE = "which was live with it"


@dataclass(frozen=True)
class Copy:
    """A file that has to stay out because another one has its DAG."""

    path: str
    dag_id: str
    line: int
    winner: str
    winner_line: int
    # The winner was live with the DAG; otherwise none was, and it comes first by path.
    live: bool
    # Other DAGs of the file, which stay out with it.
    others: tuple[str, ...] = ()

    def reason(self, former: str = "") -> str:
        """Why the file stays out.

        `former` is the reason in the current release. It is kept for the same winner: that this one
        is live by now is not a change.
        """
        if former in (self._text(_FIRST), self._text(_LIVE)):
            return former
        return self._text(_LIVE if self.live else _FIRST)

    def _text(self, why: str) -> str:
        place = f"{self.winner}, line {self.winner_line}"
        text = printable(f"the DAG {self.dag_id!r} is also in {place}, {why}")
        if not self.others:
            return text
        return f"{text}, so this file stays out with its other DAGs {', '.join(self.others)}"


def copies(files: Dags, live: Dags) -> list[Copy]:
    """The files that lose a DAG to a file that loses none; call again without them.

    `live` are the DAGs of the current release.
    """
    losses = _losses(files, live)
    certain = [copy for copy in losses.values() if copy.winner not in losses]
    # Files that lose to each other: one of them has to go first.
    return certain or [losses[path] for path in sorted(losses)[:1]]


def _losses(files: Dags, live: Dags) -> dict[str, Copy]:
    """One loss of each file that loses a DAG to another."""
    first: dict[str, str] = {}
    several: dict[str, list[str]] = {}
    for path in sorted(files):
        for dag_id in files[path]:
            if first.setdefault(dag_id, path) != path:
                several.setdefault(dag_id, [first[dag_id]]).append(path)
    losses: dict[str, Copy] = {}
    for dag_id, paths in several.items():
        was_live = [path for path in paths if dag_id in live.get(path, {})]
        winner = (was_live or paths)[0]
        for path in paths:
            if path != winner and path not in losses:
                losses[path] = Copy(
                    path,
                    dag_id,
                    files[path][dag_id],
                    winner,
                    files[winner][dag_id],
                    bool(was_live),
                    tuple(repr(each) for each in files[path] if each != dag_id),
                )
    return losses
