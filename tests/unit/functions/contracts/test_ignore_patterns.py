"""Patterns of .airflowignore files: pathspec's matches, in a time that cannot explode."""

import random
import re
import time

import pytest
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from contracts.ignore_patterns import linear

PARTS = ["a", "b", "*", "*", "?", "[ab]", ".", "**", "\\*", "^", "a*"]
LETTERS = "aab.^*"

# Each takes pathspec minutes or longer with the path beside it.
ATTACKS = [
    ("*a*a*a*a*b", "a" * 250),
    ("*" + "a*" * 100 + "b", "a" * 250),
    ("*[ab]*[ab]*[ab]*[ab]*[ab]c", "ab" * 125),
    ("**/a/**/a/**/a/**/a/**/a/**/b", "/".join("a" * 500)),
    ("**/*a*a/**/*a*a/**/*a*a/**/b", "/".join(["aaaa"] * 200)),
    ("/" + "*a*a/" * 20 + "b", "/".join(["a" * 40] * 24)),
    ("a**a**a**a**a**b/", "a" * 250 + "/"),
]


def one_of(pattern: str) -> GitIgnoreSpecPattern | None:
    try:
        return GitIgnoreSpecPattern(pattern)
    except ValueError:
        return None


@pytest.mark.parametrize("seed", range(20))
def test_matches_what_pathspec_matches(seed: int) -> None:
    chance = random.Random(seed)

    def name(letters: list[str] | str, most: int) -> str:
        return "".join(chance.choice(letters) for _ in range(chance.randint(1, most)))

    for _ in range(500):
        names = ["**" if chance.random() < 0.25 else name(PARTS, 5) for _ in range(4)]
        text = "/".join(names[: chance.randint(1, 4)])
        text = chance.choice(["", "", "/", "!"]) + text + chance.choice(["", "", "/"])
        pattern = one_of(text)
        if pattern is None or pattern.regex is None:
            continue
        ours = re.compile(linear(pattern.regex.pattern))
        for _ in range(8):
            path = "/".join(name(LETTERS, 4) for _ in range(chance.randint(1, 6)))
            path += chance.choice(["", "/"])
            assert bool(ours.search(path)) == bool(pattern.regex.search(path)), (text, path)


@pytest.mark.parametrize(("text", "path"), ATTACKS)
@pytest.mark.timeout(60)
def test_pattern_with_many_wildcards_is_decided_at_once(text: str, path: str) -> None:
    pattern = GitIgnoreSpecPattern(text)
    assert pattern.regex is not None
    ours = re.compile(linear(pattern.regex.pattern))
    started = time.process_time()
    assert not ours.search(path)
    assert time.process_time() - started < 0.5
