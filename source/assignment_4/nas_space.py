"""The search space of assignment 4: five operations on three edges, 125 networks for 8x8 digits.

A network has a stem, a cell and a head. The cell has three nodes: h0 comes from the stem,
h1 = relu(edge 0 of h0) and h2 = relu(edge 1 of h0 + edge 2 of h1). Each edge carries one operation.
The stem looks at single pixels and the head at averages over the image: only the cell sees shapes.

This file is given: it is not handed in, and changing it changes nothing in grading.
"""

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

OPS = ("none", "skip", "conv1", "conv3", "pool")
"""The operations, in the order of every alpha's columns."""

COSTS = torch.tensor([0.0, 0.0, 1 / 9, 1.0, 0.0])
"""Multiplications of each operation, as a share of those of a 3x3 convolution."""

N_EDGES = 3
CHANNELS = 12


@lru_cache(maxsize=1)
def digits():
    """Return the data: "train", "val" and "test", each a pair of images [N,1,8,8] and labels [N].

    These are the 1,797 digits of scikit-learn: 800 to train weights, 500 to choose architectures,
    497 to report. Pixels are in [0, 1].
    """
    x, y = load_digits(return_X_y=True)
    order = np.random.RandomState(0).permutation(len(x))
    x = torch.tensor(x[order] / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)
    y = torch.tensor(y[order], dtype=torch.long)
    parts = {"train": slice(0, 800), "val": slice(800, 1300), "test": slice(1300, None)}
    return {name: (x[part], y[part]) for name, part in parts.items()}


class Zero(nn.Module):
    """The operation none: no connection."""

    def forward(self, x):
        """Return zeros of the shape of x."""
        return torch.zeros_like(x)


def make_op(name, channels=CHANNELS):
    """Return a new operation as a module: [B,channels,H,W] to the same shape."""
    if name == "none":
        return Zero()
    if name == "skip":
        return nn.Identity()
    if name == "pool":
        layer = nn.AvgPool2d(3, stride=1, padding=1)
    else:
        size = {"conv1": 1, "conv3": 3}[name]
        layer = nn.Conv2d(channels, channels, size, padding=size // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(channels, affine=False))


def make_stem(channels=CHANNELS):
    """Return a new stem: images [B,1,8,8] to features [B,channels,8,8], pixel by pixel."""
    return nn.Sequential(nn.Conv2d(1, channels, 1), nn.BatchNorm2d(channels), nn.ReLU())


def make_head(channels=CHANNELS):
    """Return a new head: features [B,channels,8,8] to logits [B,10], from their averages."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


class Network(nn.Module):
    """One network of the space.

    genotype    the names of the operations on the three edges; None means none
    """

    def __init__(self, genotype):
        """Make the network with fresh weights."""
        super().__init__()
        self.stem, self.head = make_stem(), make_head()
        self.ops = nn.ModuleList([make_op(name or "none") for name in genotype])

    def forward(self, x):
        """Map images [B,1,8,8] to logits [B,10]."""
        h0 = self.stem(x)
        h1 = F.relu(self.ops[0](h0))
        return self.head(F.relu(self.ops[1](h0) + self.ops[2](h1)))


class StackedSupernet(nn.Module):
    """All 125 networks at once: every edge is a weighted sum of its five operations.

    The three operations that compute are linear before they are normalised, so they are one 3x3
    convolution with their kernels stacked: faster than the usual supernet of Task 1, and good for
    this space only.

    alpha    parameters [3,5] of the architecture, zero at first
    """

    def __init__(self):
        """Make the supernet with fresh weights."""
        super().__init__()
        self.stem, self.head = make_stem(), make_head()
        convs = [[nn.Conv2d(CHANNELS, CHANNELS, size) for size in (1, 3)] for _ in range(N_EDGES)]
        self.conv1 = nn.ParameterList([conv1.weight for conv1, _ in convs])
        self.conv3 = nn.ParameterList([conv3.weight for _, conv3 in convs])
        self.norms = nn.ModuleList(
            [nn.BatchNorm2d(3 * CHANNELS, affine=False) for _ in range(N_EDGES)]
        )
        self.alpha = nn.Parameter(torch.zeros(N_EDGES, len(OPS)))
        average = torch.eye(CHANNELS)[:, :, None, None].expand(-1, -1, 3, 3) / 9
        self.register_buffer("average", average.clone())

    def weights(self):
        """Return all parameters but alpha."""
        return [p for name, p in self.named_parameters() if name != "alpha"]

    def forward(self, x, w=None):
        """Map images [B,1,8,8] to logits [B,10]; w [3,5] weighs operations, or softmax(alpha)."""
        w = F.softmax(self.alpha, dim=1) if w is None else w
        h0 = self.stem(x)
        h1 = F.relu(self._edge(0, h0, w))
        return self.head(F.relu(self._edge(1, h0, w) + self._edge(2, h1, w)))

    def _edge(self, e, h, w):
        one = F.pad(self.conv1[e], (1, 1, 1, 1))
        kernels = torch.cat([one, self.conv3[e], self.average])
        stack = self.norms[e](F.conv2d(h, kernels, padding=1)).unflatten(1, (3, CHANNELS))
        return w[e, 1] * h + torch.einsum("bochw,o->bchw", stack, w[e, 2:])


def train_network(genotype, seed, epochs=6, batch_size=25):
    """Train one network from scratch on "train"; return its accuracies on "val" and "test"."""
    torch.manual_seed(seed)
    net = Network(genotype)
    x, y = digits()["train"]
    opt = torch.optim.Adam(net.parameters(), lr=0.05, fused=True)
    for epoch in range(epochs):
        for number, batch in enumerate(torch.randperm(len(x)).split(batch_size)):
            opt.param_groups[0]["lr"] = 0.05 * (1 - (epoch + number * batch_size / len(x)) / epochs)
            opt.zero_grad()
            F.cross_entropy(net(x[batch]), y[batch]).backward()
            opt.step()
    net.eval()
    return tuple(accuracy(net, part) for part in ("val", "test"))


def accuracy(net, part):
    """Return the share of a part's images ("val", "test") that a network classifies rightly."""
    x, y = digits()[part]
    with torch.no_grad():
        return float((net(x).argmax(dim=1) == y).float().mean())


class Table:
    """What training each of the 125 networks gave, with two seeds each: nas_table.json.

    The file maps "op|op|op" to {"val": [a, b], "test": [a, b]}.
    """

    def __init__(self, path="nas_table.json"):
        """Read the file."""
        self.rows = json.loads(Path(path).read_text(encoding="utf-8"))

    def accuracy(self, genotype, part="test", seed=None):
        """Return the accuracy of a genotype: of one seed (0 or 1), or the mean of both."""
        values = self.rows["|".join(name or "none" for name in genotype)][part]
        return values[seed] if seed is not None else sum(values) / len(values)


def cost(genotype):
    """Return the cost of a genotype, in 3x3 convolutions."""
    return sum(float(COSTS[OPS.index(name or "none")]) for name in genotype)
