"""Train the 125 networks of assignment 4 with two seeds each and write nas_table.json.

    python solutions/assignment_4/table/make_table.py

Takes 90 s on one core. Another machine may give other digits; then the notebook's numbers follow.
"""

import itertools
import json
import sys
from pathlib import Path

import torch

SOURCE = Path(__file__).parents[3] / "source" / "assignment_4"
sys.path.insert(0, str(SOURCE))

from nas_space import N_EDGES, OPS, train_network  # noqa: E402


def main() -> None:
    """Train, one network after the other, and write the table beside nas_space.py."""
    torch.set_num_threads(1)
    rows = {}
    for genotype in itertools.product(OPS, repeat=N_EDGES):
        runs = [train_network(genotype, seed) for seed in (0, 1)]
        val, test = ([round(run[part], 4) for run in runs] for part in (0, 1))
        rows["|".join(genotype)] = {"val": val, "test": test}
        print(f"{'|'.join(genotype):20s} val {val} test {test}", flush=True)
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items())
    (SOURCE / "nas_table.json").write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
