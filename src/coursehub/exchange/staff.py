"""nbgrader's exchange for staff: its own, but a copy is there whole or not at all.

Stock nbgrader copies in place. Killed meanwhile it leaves a folder that looks like a release, or
like a hand-in that was collected, and lacks files; it would never be looked at again.
"""

import shutil
from pathlib import Path
from typing import Any

from nbgrader.exchange.default import ExchangeCollect, ExchangeReleaseAssignment


def configure_staff(c: Any) -> None:
    """Keep nbgrader's own exchange for staff, but let nobody write a hand-in past the service."""
    c.ExchangeFactory.submit = "coursehub.exchange.plugin.Submit"
    c.ExchangeFactory.collect = f"{__name__}.Collect"
    c.ExchangeFactory.release_assignment = f"{__name__}.ReleaseAssignment"


class _CopiesWhole:
    """Copies beside the place first; one rename puts the copy there."""

    def do_copy(self, src: str, dest: str, log: Any = None) -> None:
        """Copy a folder."""
        target = Path(dest)
        unfinished = target.with_name(f".{target.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        super().do_copy(src, str(unfinished), log)  # type: ignore[misc]
        unfinished.rename(target)


class Collect(_CopiesWhole, ExchangeCollect):
    """Collects what counts."""


class ReleaseAssignment(_CopiesWhole, ExchangeReleaseAssignment):
    """Puts a students' version into the exchange."""
