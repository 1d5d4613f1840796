"""The figures of bench.scaling as curves over the number of running servers."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

Step = Mapping[str, Any]
Line = tuple[str, Callable[[Step], float]]

PANELS: dict[str, list[Line]] = {
    "share of one core, nobody coming": [
        ("hub", lambda step: step["hub_cpu"]),
        ("culler", lambda step: step["culler_cpu"]),
        ("proxy", lambda step: step["proxy_cpu"]),
    ],
    "memory, MB": [
        ("hub", lambda step: step["hub_mb"]),
        ("culler", lambda step: step["culler_mb"]),
        ("proxy", lambda step: step["proxy_mb"]),
    ],
    "milliseconds, 99 % of requests": [
        ("sign-in page", lambda step: step["p99_ms"]["login"]),
        ("hub's home", lambda step: step["p99_ms"]["home"]),
        ("API", lambda step: step["p99_ms"]["api"]),
    ],
    "seconds until a restarted hub knows all": [
        ("hub", lambda step: step["start_seconds"]),
    ],
}


def draw(steps: Sequence[Step], path: Path) -> None:
    """Draw the steps' figures, a panel each, into an SVG."""
    figure = Figure(figsize=(10, 6), layout="constrained")
    for axes, (title, lines) in zip(figure.subplots(2, 2).flat, PANELS.items(), strict=True):
        servers = [step["servers"] for step in steps]
        for name, value in lines:
            axes.plot(servers, [value(step) for step in steps], marker="o", label=name)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("running servers", fontsize=9)
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        if len(lines) > 1:
            axes.legend(frameon=False, fontsize=9)
    figure.savefig(path, metadata={"Date": None})
