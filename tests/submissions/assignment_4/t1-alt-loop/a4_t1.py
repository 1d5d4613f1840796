class MixedOp(nn.Module):
    """A weighted sum of operations: the edge of a supernet."""

    def __init__(self, ops):
        """Keep the operations, a list of O modules."""
        super().__init__()
        self.ops = nn.ModuleList(ops)

    def forward(self, x, w):
        """Mix the operations.

        x         features [B,C,H,W]
        w         weights [O] of the operations, used as they are
        returns   features [B,C,H,W]
        """
        # >>> your code starts here
        total = torch.zeros_like(x)
        for i, op in enumerate(self.ops):
            total = total + w[i] * op(x)
        return total
        # <<< your code ends here


class Supernet(nn.Module):
    """A stem, a cell of three mixed edges, and a head."""

    def __init__(self, make_ops, stem, head, n_ops):
        """Make the supernet.

        make_ops     function without arguments that returns a new list of n_ops operations;
                     called once for each edge, in the order of the edges
        stem, head   modules: images to features, features to logits
        """
        super().__init__()
        self.stem, self.head = stem, head
        self.alpha = nn.Parameter(torch.zeros(3, n_ops))
        # >>> your code starts here
        self.edges = nn.ModuleList([MixedOp(make_ops()) for _ in range(3)])
        # <<< your code ends here

    def forward(self, x):
        """Map images [B,...] to logits, with edge e mixed by softmax(alpha[e])."""
        # >>> your code starts here
        h = self.stem(x)
        edges = [lambda t, e=e: self.edges[e](t, torch.softmax(self.alpha[e], 0)) for e in range(3)]
        node = torch.clamp(edges[0](h), min=0)
        return self.head(torch.clamp(edges[1](h) + edges[2](node), min=0))
        # <<< your code ends here
