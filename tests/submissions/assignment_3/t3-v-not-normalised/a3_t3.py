def power_iteration(W, u, n):
    """Estimate the largest singular value of a weight by power iteration.

    W         weight [O,...]; it counts as a matrix with O rows
    u         unit vector [O] to start from; not changed in place
    n         number of rounds, at least 1; a round computes v from u, then u from v
    returns   (sigma, u, v): sigma = u^T W v, a scalar whose gradient by W is u v^T; the last u [O]
              and v [number of columns], unit vectors without graph
    """
    # >>> your code starts here
    matrix = W.flatten(1)
    with torch.no_grad():
        for _ in range(n):
            v = matrix.T @ u
            u = F.normalize(matrix @ v, dim=0)
    return u @ (matrix @ v), u, v
    # <<< your code ends here


class SNLinear(nn.Linear):
    """A linear layer with weight / sigma(weight), sigma by one round of power iteration a call.

    The buffer u [out_features] is a unit vector, random at first and stored in training mode only.
    """

    def __init__(self, in_features, out_features, bias=True):
        """Make the layer and its buffer u."""
        super().__init__(in_features, out_features, bias=bias)
        # >>> your code starts here
        self.register_buffer("u", F.normalize(torch.randn(out_features), dim=0))
        # <<< your code ends here

    def forward(self, x):
        """Map x [...,in_features] to [...,out_features]."""
        # >>> your code starts here
        sigma, u, _ = power_iteration(self.weight, self.u, 1)
        if self.training:
            self.u.copy_(u)
        return F.linear(x, self.weight / sigma, self.bias)
        # <<< your code ends here
