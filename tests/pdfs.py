"""PDFs for tests: reports in the NeurIPS style, others that miss it, and hostile ones.

matplotlib writes the well-formed ones, its fonts embedded. The others are written by hand.
"""

import zlib
from collections.abc import Callable, Sequence
from io import BytesIO

import matplotlib
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

LETTER, A4 = (612.0, 792.0), (595.28, 841.89)
LINES = range(708, 70, -12)
"""Baselines of a full page."""

Line = tuple[float, float, str]
"""Where a line starts, in points from the lower left corner, and what it says."""


def full_page(number: int, *, left: float = 108, low: float = 72) -> list[Line]:
    """A page full of text in the style's block, 5.5 inches wide, and its number in the foot."""
    return [*((left, y, "=" * 47) for y in LINES if y >= low), (303, 42, str(number))]


def report(
    pages: int | Sequence[Sequence[Line]] = 9,
    *,
    size: tuple[float, float] = LETTER,
    embedded: bool = True,
    page: Callable[[int], list[Line]] = full_page,
) -> bytes:
    """A report of so many pages, or of these pages."""
    bodies = [page(n) for n in range(1, pages + 1)] if isinstance(pages, int) else pages
    content = BytesIO()
    font = {"pdf.fonttype": 42, "pdf.use14corefonts": not embedded, "font.family": "DejaVu Sans"}
    with matplotlib.rc_context(font), PdfPages(content) as file:
        for lines in bodies:
            figure = Figure(figsize=(size[0] / 72, size[1] / 72))
            for x, y, text in lines:
                figure.text(x / size[0], y / size[1], text, fontsize=10, va="baseline")
            file.savefig(figure)
    return content.getvalue()


def by_hand(*objects: bytes, trailer: bytes = b"/Root 1 0 R") -> bytes:
    """A file of these objects, numbered from 1, with its table of places."""
    content, places = b"%PDF-1.7\n", []
    for number, text in enumerate(objects, start=1):
        places.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, text)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    count = len(objects) + 1
    end = b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d %s >>\nstartxref\n%d\n%%%%EOF\n"
    return content + end % (count, table, count, trailer, len(content))


CATALOG = b"<< /Type /Catalog /Pages 2 0 R >>"
ONE_PAGE = b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"
PAGE = (
    b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << %s >> >>"
)

FORM = b"/Type /XObject /Subtype /Form /BBox [0 0 9 9] "


def stream(content: bytes, more: bytes = b"") -> bytes:
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(content), more, content)


def drawn(content: bytes, resources: bytes = b"") -> bytes:
    """One page with this content stream."""
    return by_hand(CATALOG, ONE_PAGE, PAGE % resources, stream(content))


def encrypted() -> bytes:
    """A file that no empty password opens."""
    lock = b"<< /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >>" % (b"41" * 32, b"42" * 32)
    return by_hand(
        CATALOG, ONE_PAGE, PAGE % b"", stream(b""), lock,
        trailer=b"/Root 1 0 R /Encrypt 5 0 R /ID [<00> <00>]",
    )  # fmt: skip


def bomb(size: int = 4_000_000_000) -> bytes:
    """A page whose content is a few megabytes that unpack to `size` bytes."""
    packer = zlib.compressobj(9, wbits=-15)
    zeros = packer.compress(bytes(10_000_000)) + packer.flush(zlib.Z_FULL_FLUSH)
    content = b"\x78\xda" + zeros * (size // 10_000_000) + b"\x03\x00" + bytes(4)
    return by_hand(CATALOG, ONE_PAGE, PAGE % b"", stream(content, b"/Filter /FlateDecode"))


def forms_in_forms(depth: int = 60) -> bytes:
    """Each form draws the next twice: 2 to the power of `depth` pieces of text."""
    forms = [
        stream(
            b"/F Do /F Do",
            FORM + b"/Resources << /XObject << /F %d 0 R >> >>" % (number + 1),
        )
        for number in range(5, 5 + depth)
    ]
    last = stream(b"", FORM)
    resources = b"/XObject << /F 5 0 R >>"
    return by_hand(CATALOG, ONE_PAGE, PAGE % resources, stream(b"/F Do"), *forms, last)


def pages_in_a_circle() -> bytes:
    """A page tree whose branch is its own."""
    branch = b"<< /Type /Pages /Kids [2 0 R 3 0 R 3 0 R] /Count 9 >>"
    return by_hand(CATALOG, branch, b"<< /Type /Pages /Kids [2 0 R] /Count 9 >>")


def nested(depth: int = 200_000) -> bytes:
    """Brackets in brackets."""
    return by_hand(CATALOG, ONE_PAGE, PAGE % b"", b"[" * depth + b"]" * depth)


def many_pages(count: int = 5000) -> bytes:
    """Empty pages, one object for all."""
    kids = b" ".join(b"%d 0 R" % number for number in range(3, 3 + count))
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] >>"
    return by_hand(CATALOG, b"<< /Type /Pages /Kids [%s] >>" % kids, *[page] * count)
