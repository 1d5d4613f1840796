"""A verdict as the line that programs read."""

import json

from coursehub.grading.verdict import Finding, Verdict


def test_as_json() -> None:
    finding = Finding("edited", "a", "The text of a was edited.")
    verdict = Verdict("alice", "graded", "", {"t": 1.0}, {"t": 2.0}, ("why",), (finding,), 0.5, ())
    assert json.loads(json.dumps(verdict.as_json())) == {
        "submission": "alice",
        "status": "graded",
        "reason": "",
        "points": {"t": 1.0},
        "max_points": {"t": 2.0},
        "manual": ["why"],
        "findings": [{"kind": "edited", "cell": "a", "text": "The text of a was edited."}],
        "seconds": 0.5,
    }
