"""JSON parameters: what is said about a value that is not valid JSON."""

import json
import re
import shlex

import pytest
from samcli.cli.types import CfnParameterOverridesType

from shared.json_parameters import JsonParameterError, read_object

FLEETS = '{"heavy": {"size": "1024/4096/1", "floors": [{"days": "mon-fri, sun"}]}}'


def as_sam_reads(typed: str) -> dict[str, str]:
    """The parameters that SAM reads from what is typed in a shell after --parameter-overrides."""
    return dict(CfnParameterOverridesType().convert(tuple(shlex.split(typed)), None, None))


def problem(text: str) -> str:
    with pytest.raises(JsonParameterError) as refusal:
        read_object("WorkerFleets", text)
    return str(refusal.value)


@pytest.mark.parametrize(
    ("typed", "arrived"),
    [
        ("""'WorkerFleets={"heavy":{"concurrency":1}}'""", "{"),
        ("""WorkerFleets='{"heavy": {"concurrency": 1}}'""", "{"),
        (r"WorkerFleets={\"heavy\":{\"concurrency\":1}}", "{"),
        (r"""'WorkerFleets={\"heavy\": {\"concurrency\": 1}}'""", '{"heavy":'),
        ('WorkerFleets={"heavy":{"concurrency":1}}', "{heavy:{concurrency:1}}"),
    ],
)
def test_says_how_to_quote_json_when_its_quotes_were_lost(typed, arrived):
    read = as_sam_reads(typed)["WorkerFleets"]
    assert read == arrived
    assert f"The value that arrived is {read!r}: its double quotes seem to be lost." in problem(
        read
    )


def test_value_that_is_quoted_as_advised_arrives_as_it_was_written():
    advised = re.search(r"write (\S+) with your JSON in place of (\S+)\.", problem("{"))
    assert advised
    typed = advised[1].replace(advised[2], FLEETS)
    assert as_sam_reads(f"WorkerQueueNames=heavy {typed}") == {
        "WorkerQueueNames": "heavy",
        "WorkerFleets": FLEETS,
    }


@pytest.mark.parametrize("text", ["", "heavy", '{"heavy": }', '{"heavy": {}}}', "[1,]"])
def test_says_nothing_of_quotes_when_other_json_is_wrong(text):
    found = problem(text)
    assert f"The value that arrived is {text!r}: correct it, or set it to {{}}." in found


def test_shows_the_place_of_a_long_value():
    fleets = {f"queue-{number}": {"minCount": number} for number in range(100)}
    text = json.dumps(fleets).replace('"queue-50":', '"queue-50"')
    shown = re.search(r"The value that arrived is '(.+)': correct it", problem(text))
    assert shown
    assert shown[1].startswith("…")
    assert '"queue-50" {"minCount"' in shown[1]
    assert shown[1].endswith("…")
    assert len(shown[1]) == 62
