"""The picture of the dashboard from recorded metrics."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

from bench.dashboard.__main__ import main

PLACE = {"x": 0, "width": 8, "height": 6}
RECORDED = {
    "minutes": 60,
    "alarms": {"tasks-wait-default": "OK", "dead-letters": "ALARM"},
    "widgets": [
        {"type": "text", **PLACE, "y": 0, "height": 1, "title": "Work", "series": [], "lines": []},
        {"type": "alarm", **PLACE, "y": 1, "title": "Alarms", "series": [], "lines": []},
        {
            "type": "metric",
            **PLACE,
            "y": 7,
            "title": "CPU & memory",
            "lines": [{"label": "alarm", "value": 95}],
            "series": [
                {"label": "cpu", "points": [[0, 10], [30, 50], [60, 20]]},
                {"label": "memory", "points": []},
            ],
        },
    ],
}


def test_widgets_alarms_thresholds_and_lines_are_drawn(tmp_path: Path) -> None:
    recorded, picture = tmp_path / "recorded.json", tmp_path / "dashboard.svg"
    recorded.write_text(json.dumps(RECORDED))

    assert main([str(recorded), "--svg", str(picture)]) == 0
    root = ET.fromstring(picture.read_text())
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    (line,) = root.iter("{http://www.w3.org/2000/svg}polyline")
    dashed = [each for each in root.iter() if each.get("stroke-dasharray")]

    assert {"Work", "Alarms", "dead-letters", "CPU & memory", "cpu", "memory (none)"} <= set(texts)
    assert len(line.get("points", "").split()) == 3
    assert len(dashed) == 1
