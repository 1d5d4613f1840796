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
        return sum(weight * op(x) for weight, op in zip(w, self.ops))
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
        w = F.softmax(self.alpha, dim=1)
        h0 = self.stem(x)
        h1 = self.edges[0](h0, w[0])
        h2 = F.relu(self.edges[1](h0, w[1]) + self.edges[2](h1, w[2]))
        return self.head(h2)
        # <<< your code ends here
