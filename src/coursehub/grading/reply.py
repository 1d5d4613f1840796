"""What the grader answers staff: a `Graded` as a file, and back; JSON, never pickle."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nbformat import from_dict

from coursehub.errors import SandboxError
from coursehub.grading.pipeline import Graded
from coursehub.grading.verdict import CellResult, Finding, Verdict

_FOLDER = ".gradings"


def place(course_dir: Path, number: int) -> Path:
    """Where the answer to a request lies: in the course folder, which staff and grader share.

    It holds hidden tests, which have no business in the course database.
    """
    return course_dir / _FOLDER / f"{number}.json"


def write(path: Path, graded: Graded) -> None:
    """Write an answer; whoever reads finds all of it or nothing."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    fresh = path.with_suffix(".new")
    # What hand-ins print may be no Unicode; escapes hold it all the same.
    fresh.write_text(json.dumps(_as_json(graded)), encoding="ascii")
    fresh.replace(path)


def points(graded: Graded) -> dict[str, Any]:
    """What the request's row tells of a rerun: points by grade id, and no word of any test."""
    verdict = graded.verdict
    return {"status": verdict.status, "points": dict(verdict.points), "seed": graded.seed}


def read(path: Path) -> Graded:
    """Read an answer.

    Raises:
        SandboxError: It is not there, or is none.
    """
    try:
        return _from_json(json.loads(path.read_text(encoding="ascii")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SandboxError(
            "the grader's answer cannot be read", file=str(path), remedy="Autograde once more."
        ) from error


def _as_json(graded: Graded) -> dict[str, Any]:
    return {
        "verdict": asdict(graded.verdict),
        "notebooks": graded.notebooks,
        "results": {
            name: [asdict(each) for each in cells] for name, cells in graded.results.items()
        },
        "seed": graded.seed,
        "caveat": graded.caveat,
    }


def _from_json(answer: Mapping[str, Any]) -> Graded:
    verdict = dict(answer["verdict"])
    verdict["manual"] = tuple(verdict["manual"])
    verdict["findings"] = tuple(Finding(**each) for each in verdict["findings"])
    verdict["cells"] = tuple(map(_cell, verdict["cells"]))
    return Graded(
        verdict=Verdict(**verdict),
        notebooks={name: from_dict(notebook) for name, notebook in answer["notebooks"].items()},
        results={name: tuple(map(_cell, cells)) for name, cells in answer["results"].items()},
        seed=answer["seed"],
        caveat=answer["caveat"],
    )


def _cell(result: Mapping[str, Any]) -> CellResult:
    return CellResult(**{**result, "outputs": tuple(result["outputs"])})
