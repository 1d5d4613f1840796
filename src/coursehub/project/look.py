"""Looks at a PDF: a program of its own, since who wrote the file may be anybody.

`python -I look.py SECONDS BYTES` reads a PDF from standard input and writes JSON to standard
output: `{"pages": [...]}` with what `coursehub.course.layout.Page` holds, or `{"problem": ...}`.
It limits its own time, memory and output before it reads the first byte, imports nothing of
CourseHub, and says only what is there: what is right and wrong `layout` decides.
"""

import json
import logging
import resource
import sys
from collections.abc import Mapping
from io import BytesIO
from math import dist, hypot
from typing import Any

from pdfminer.pdfdevice import PDFTextDevice
from pdfminer.pdfdocument import PDFDocument, PDFEncryptionError, PDFPasswordIncorrect
from pdfminer.pdffont import PDFFont, PDFUnicodeNotDefined
from pdfminer.pdfinterp import PDFPageInterpreter, PDFResourceManager
from pdfminer.pdfpage import PDFPage
from pdfminer.pdfparser import PDFParser
from pdfminer.pdftypes import dict_value, list_value, num_value, resolve1
from pdfminer.psparser import PSLiteral
from pdfminer.utils import apply_matrix_pt

MOST_PAGES = 100
MOST_RUNS = 300_000
MOST_OUTPUT = 64_000_000
MOST_LETTERS = 80
GAP = 0.15
"""The part of a font's size from which on a gap between letters is a blank."""
INVISIBLE = 3
"""The text rendering mode that paints nothing (ISO 32000-2, table 104)."""


class TooMuch(Exception):
    """There is more text than a report could have."""


class Fonts(PDFResourceManager):
    """Remembers of each font whether the file holds it."""

    def __init__(self) -> None:
        """Begin with none."""
        super().__init__()
        self.missing: dict[PDFFont, str | None] = {}

    def get_font(self, objid: object, spec: Mapping[str, object]) -> PDFFont:
        """Make the font of `spec`, as pdfminer does."""
        font = super().get_font(objid, spec)
        self.missing[font] = None if _embedded(spec) else _name(resolve1(spec.get("BaseFont")))
        return font


class Eyes(PDFTextDevice):
    """Notes where text stands on the page, and which of its fonts are missing."""

    def __init__(self, fonts: Fonts) -> None:
        """See through `fonts`."""
        super().__init__(fonts)
        self.fonts = fonts
        self.total = 0
        self.look_at_next_page()

    def look_at_next_page(self) -> None:
        """Forget what was seen."""
        self.runs: list[tuple[float, float, float, float, str]] = []
        self.missing: dict[str, None] = {}
        self._outer: list[Any] = []

    def begin_figure(self, name: Any, bbox: Any, matrix: Any) -> None:
        """Keep the matrix that a form changes."""
        self._outer.append(self.ctm)

    def end_figure(self, name: Any) -> None:
        """Take it back."""
        self.ctm = self._outer.pop()

    def render_string(self, textstate: Any, seq: Any, ncs: Any, graphicstate: Any) -> None:
        """Note one string."""
        self._points: list[tuple[float, float]] = []
        self._letters: list[str] = []
        super().render_string(textstate, seq, ncs, graphicstate)
        if not self._points or textstate.render == INVISIBLE:
            return
        if (missing := self.fonts.missing.get(textstate.font)) is not None:
            self.missing[missing] = None
        across, along = zip(*self._points, strict=True)
        text = "".join(self._letters)[:MOST_LETTERS]
        self.runs.append((min(across), min(along), max(across), max(along), text))
        self.total += 1
        if self.total > MOST_RUNS:
            raise TooMuch

    def render_char(  # noqa: D102, pdfminer's
        self,
        matrix: Any,
        font: Any,
        fontsize: float,
        scaling: float,
        rise: float,
        cid: int,
        *_: Any,
    ) -> float:
        try:
            letter = font.to_unichr(cid)
        except PDFUnicodeNotDefined:
            letter = "?"
        advance = font.char_width(cid) * fontsize * scaling
        if letter.strip():
            across, up = (0.0, advance) if font.is_vertical() else (advance, 0.0)
            start = apply_matrix_pt(matrix, (0.0, rise))
            # TeX writes no blanks, it leaves gaps.
            if self._points and dist(start, self._points[-1]) > GAP * fontsize * hypot(*matrix[:2]):
                self._letters.append(" ")
            self._points += [start, apply_matrix_pt(matrix, (across, rise + up))]
        self._letters.append(letter)
        return float(advance)


def look(content: bytes) -> dict[str, Any]:
    """What is on each page; raises whatever pdfminer does."""
    document = PDFDocument(PDFParser(BytesIO(content)))
    fonts = Fonts()
    eyes = Eyes(fonts)
    interpreter = PDFPageInterpreter(fonts, eyes)
    pages: list[dict[str, Any]] = []
    for page in PDFPage.create_pages(document):
        if len(pages) == MOST_PAGES:
            return {"problem": f"It has more than {MOST_PAGES} pages."}
        page.mediabox = page.cropbox  # what is shown and printed
        eyes.look_at_next_page()
        interpreter.process_page(page)
        pages.append(_page(page, eyes))
    return {"pages": pages} if pages else {"problem": "It has no pages."}


def _page(page: PDFPage, eyes: Eyes) -> dict[str, Any]:
    unit = float(num_value(page.attrs.get("UserUnit", 1)))
    left, bottom, right, top = page.mediabox
    sides = (abs(right - left) * unit, abs(top - bottom) * unit)
    width, height = sides if page.rotate % 180 == 0 else sides[::-1]
    return {
        "width": width,
        "height": height,
        "runs": [(*(number * unit for number in run[:4]), run[4]) for run in eyes.runs],
        "not_embedded": [name[:MOST_LETTERS] for name in list(eyes.missing)[:20]],
    }


def _embedded(spec: Mapping[str, object]) -> bool:
    """Whether a font's glyphs are in the file (ISO 32000-2, 9.9): Type 3 draws them itself."""
    kind = _name(resolve1(spec.get("Subtype")))
    if kind == "Type3":
        return True
    if kind == "Type0":
        spec = dict_value(list_value(spec.get("DescendantFonts"))[0])
    descriptor = resolve1(spec.get("FontDescriptor"))
    files = ("FontFile", "FontFile2", "FontFile3")
    return isinstance(descriptor, dict) and any(resolve1(descriptor.get(f)) for f in files)


def _name(value: Any) -> str:
    name = value.name if isinstance(value, PSLiteral) else value
    return name if isinstance(name, str) and name else "without a name"


def _limit(seconds: int, memory: int) -> None:
    """Let this process have so much and no more; what it runs out of ends it."""
    for kind, most in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, MOST_OUTPUT),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 16),
    ):
        resource.setrlimit(kind, (most, most))


def main() -> None:
    """Look at standard input, and say what is there."""
    seconds, memory = map(int, sys.argv[1:])
    _limit(seconds, memory)
    logging.disable(logging.CRITICAL)
    try:
        said = json.dumps(look(sys.stdin.buffer.read()))
    except PDFPasswordIncorrect:
        said = json.dumps({"problem": "It asks for a password."})
    except PDFEncryptionError:
        said = json.dumps({"problem": "It is encrypted in a way that cannot be read here."})
    except TooMuch:
        said = json.dumps({"problem": "It holds more text than a report could."})
    except MemoryError:
        said = json.dumps({"problem": "It needs more memory than a report may."})
    except Exception as error:  # pdfminer raises of all kinds on broken files
        said = json.dumps({"problem": f"It does not open as a PDF ({type(error).__name__})."})
    sys.stdout.write(said)


if __name__ == "__main__":
    main()
