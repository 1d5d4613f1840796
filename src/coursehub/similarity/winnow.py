"""Winnowing: few fingerprints of a text, chosen so that no longer common part goes unseen.

Schleimer, Wilkerson and Aiken, "Winnowing: Local Algorithms for Document Fingerprinting", SIGMOD
2003. Of each window of hashes of k tokens the smallest is kept, the last of equal ones: two texts
that have `k + window - 1` tokens in a row in common have a fingerprint in common.
"""

from collections import deque
from collections.abc import Iterator, Sequence

_BASE, _MODULUS = 1_000_003, (1 << 61) - 1


def hashes_of(codes: Sequence[int], k: int) -> Iterator[int]:
    """The hash of every `k` tokens in a row, by Rabin and Karp; none of a text that is shorter."""
    leaving = pow(_BASE, k, _MODULUS)
    value = 0
    for place, code in enumerate(codes):
        value = (value * _BASE + code) % _MODULUS
        if place >= k:
            value = (value - codes[place - k] * leaving) % _MODULUS
        if place >= k - 1:
            yield value * 0x9E3779B97F4A7C15 % _MODULUS  # else the smallest begin with a small code


def fingerprints(codes: Sequence[int], k: int, window: int) -> list[tuple[int, int]]:
    """The fingerprints of a text: hash, and the place of its first token, in order.

    Args:
        codes: The text's tokens.
        k: Tokens of a fingerprint; less in common is noise.
        window: Fingerprints in a row of which at least one is kept.
    """
    kept: list[tuple[int, int]] = []
    rising: deque[tuple[int, int]] = deque()  # candidates of the window, the smallest first
    count = 0
    for place, value in enumerate(hashes_of(codes, k)):
        count = place + 1
        while rising and rising[-1][0] >= value:
            rising.pop()
        rising.append((value, place))
        if rising[0][1] <= place - window:
            rising.popleft()
        if place >= window - 1 and (not kept or kept[-1] != rising[0]):
            kept.append(rising[0])
    if 0 < count < window:  # a short text has one window
        kept.append(rising[0])
    return kept
