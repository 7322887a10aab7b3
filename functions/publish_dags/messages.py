"""The text of notifications. They contain nothing from inside a file: an exception's text, or a
line of code, may contain something that must not be mailed."""

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.release_reports import ImportErrorReport
from publish_dags.checks.problems import Problem
from publish_dags.publisher import Publication

# The limits of a message. SNS allows more, but a longer message is not readable.
_MOST_LINES = 20
_MOST_CHARACTERS = 300

# SNS's limit.
_SUBJECT_CHARACTERS = 100


@dataclass(frozen=True)
class Message:
    subject: str
    text: str


def of_refusal(stack: str, release: str | None, problems: Sequence[Problem]) -> Message:
    stays = f"Release {release} stays current." if release else "No release is published yet."
    lines = _first([str(problem) for problem in problems])
    return _message(
        stack,
        "DAG files refused",
        [*lines, "", stays, "The full report: releases/refused.json, or beside the zip file."],
    )


def of_release(stack: str, publication: Publication) -> Message:
    """What is new about files that stay out, and new warnings."""
    text = [f"Release {publication.release} is current."]
    if excluded := publication.new_exclusions:
        text += ["", "These files stay out:", *_first([str(each) for each in excluded])]
        text.append(f"The full report: releases/{publication.release}.exclusions.json.")
    if warnings := publication.new_warnings:
        text += ["", "Warnings:", *_first([str(problem) for problem in warnings])]
    subject = "DAG release without some files" if excluded else "DAG release with warnings"
    return _message(stack, subject, text)


def of_import_errors(stack: str, report: ImportErrorReport) -> Message:
    lines = _first(
        [
            f"{each.path}{f', line {each.line}' if each.line else ''}: {each.error}"
            for each in report.failures
        ],
        report.total,
    )
    return _message(
        stack,
        "DAG files that Airflow cannot import",
        [f"Release {report.release}, {report.total:,} files:", *lines, "",
         "See Airflow's import errors for details."],
    )  # fmt: skip


def _message(stack: str, subject: str, lines: Sequence[str]) -> Message:
    named = f"{subject}: {stack}".encode("ascii", "replace").decode()
    return Message(named[:_SUBJECT_CHARACTERS], "\n".join(lines))


def _first(lines: Sequence[str], total: int | None = None) -> list[str]:
    """The first lines, shortened, and how many more there are."""
    shown = [" ".join(line.split())[:_MOST_CHARACTERS] for line in lines[:_MOST_LINES]]
    more = (total or len(lines)) - len(shown)
    return [*shown, f"and {more:,} more"] if more else shown
