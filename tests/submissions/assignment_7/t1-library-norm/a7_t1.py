class RMSNorm(nn.Module):
    """Root mean square normalisation of the last dimension."""

    def __init__(self, d, eps=1e-6):
        """Make the one parameter, weight [d], all ones.

        d     number of features
        eps   added to the mean square, inside the root
        """
        super().__init__()
        # >>> your code starts here
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(d))
        # <<< your code ends here

    def forward(self, x):
        """Normalise every token of x.

        x         features [...,d], any number of leading dimensions
        returns   a new tensor with the shape and dtype of x; half precision is computed in float32
        """
        # >>> your code starts here
        return F.rms_norm(x.float(), x.shape[-1:], self.weight.float(), self.eps).to(x.dtype)
        # <<< your code ends here


class SwiGLU(nn.Module):
    """The gated feed-forward layer w2(silu(w1 x) * w3 x)."""

    def __init__(self, d, h):
        """Make the linear layers w1 and w3 from d to h features and w2 from h to d; no bias."""
        super().__init__()
        # >>> your code starts here
        self.w1 = nn.Linear(d, h, bias=False)
        self.w2 = nn.Linear(h, d, bias=False)
        self.w3 = nn.Linear(d, h, bias=False)
        # <<< your code ends here

    def forward(self, x):
        """Map x [...,d] to [...,d]."""
        # >>> your code starts here
        return self.w2(F.silu(self.w1(x)) * self.w3(x))
        # <<< your code ends here
