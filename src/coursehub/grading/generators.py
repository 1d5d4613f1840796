"""The global random number generators: seeded, remembered, and put back.

Set-up cells run on both sides and shall find the same numbers there, whatever answers and tests
draw in between. Numbers that tests draw without having been seeded stay the judge's secret.
"""

import random
import sys
from typing import Any


def reseed(seed: int) -> None:
    """Seed the generators that are loaded."""
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed % 2**32)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed % 2**63)


def state() -> tuple[Any, ...]:
    """Return where the loaded generators stand."""
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    return (
        random.getstate(),
        numpy.random.get_state() if numpy else None,
        torch.get_rng_state() if torch else None,
    )


def restore(before: tuple[Any, ...]) -> None:
    """Put the generators back; what was not loaded then is left as it is."""
    plain, numpy, torch = before
    random.setstate(plain)
    if numpy is not None:
        sys.modules["numpy"].random.set_state(numpy)
    if torch is not None:
        sys.modules["torch"].set_rng_state(torch)
