"""Which files Airflow does not parse, because of .airflowignore files in glob syntax.

The rules are read as Airflow 3.3 reads them, including its peculiarities, with the library that it
uses: a file that Airflow ignores must not prevent a release from being published.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from contracts.ignore_patterns import MAX_PATTERNS, linear

IGNORE_FILE = ".airflowignore"


@dataclass(frozen=True)
class _Rule:
    include: bool
    expression: re.Pattern[str]
    relative_to: PurePosixPath | None
    directories_only: bool


def is_ignore_file(path: str) -> bool:
    return PurePosixPath(path).name == IGNORE_FILE


def rule_problem(text: str) -> str | None:
    """Why Airflow cannot read the rules; it would then parse no file at all. None if it can."""
    try:
        rules = _rules(text, PurePosixPath("."))
    except (ValueError, re.error) as error:
        return f"contains an invalid pattern: {error}"
    if len(rules) > MAX_PATTERNS:
        return f"contains {len(rules):,} patterns; {MAX_PATTERNS:,} are allowed"
    return None


def ignored(paths: Iterable[str], ignore_files: Mapping[str, str]) -> frozenset[str]:
    """Those of the paths that Airflow will not parse."""
    if not ignore_files:
        return frozenset()
    rules = {
        PurePosixPath(path).parent: _rules(text, PurePosixPath(path).parent)
        for path, text in ignore_files.items()
    }
    known: dict[PurePosixPath, bool] = {PurePosixPath("."): False}
    return frozenset(path for path in paths if _is_ignored(PurePosixPath(path), rules, known))


def _is_ignored(
    path: PurePosixPath,
    rules: Mapping[PurePosixPath, list[_Rule]],
    known: dict[PurePosixPath, bool],
) -> bool:
    for folder in reversed(path.parents):
        if folder not in known:
            # Airflow does not look into an ignored folder, so no rule can include a file in it.
            known[folder] = known[folder.parent] or _matches(folder, True, rules)
    return known[path.parent] or _matches(path, False, rules)


def _matches(
    path: PurePosixPath, is_folder: bool, rules: Mapping[PurePosixPath, list[_Rule]]
) -> bool:
    matched = False
    for folder in reversed(path.parents):
        for rule in rules.get(folder, ()):
            if rule.directories_only and not is_folder:
                continue
            relative = path.relative_to(rule.relative_to) if rule.relative_to else path.name
            text = f"{relative}/" if is_folder else str(relative)
            if rule.expression.search(text):
                matched = rule.include
    return matched


def _rules(text: str, folder: PurePosixPath) -> list[_Rule]:
    lines = [re.sub(r"\s*#.*", "", line) for line in text.split("\n")]
    rules = [_rule(line, folder) for line in lines if line and line.strip() != "/"]
    return [rule for rule in rules if rule is not None]


def _rule(pattern: str, folder: PurePosixPath) -> _Rule | None:
    parsed = GitIgnoreSpecPattern(pattern)
    if parsed.include is None or parsed.regex is None:
        return None
    anchored = pattern.startswith("/") or "/" in pattern.rstrip("/")
    stem = pattern.lstrip("!").rstrip()
    return _Rule(
        parsed.include,
        re.compile(linear(parsed.regex.pattern)),
        folder if anchored else None,
        stem != stem.rstrip("/"),
    )
