class GQAttention(nn.Module):
    """Causal self-attention with n_heads query heads and n_kv heads of keys and values."""

    def __init__(self, d, n_heads, n_kv, rotate=None):
        """Make the four linear maps, without bias.

        d         features of a token
        n_heads   query heads; each has d // n_heads features
        n_kv      heads of keys and of values; divides n_heads
        rotate    called as rotate(x [B,H,T,d_h], pos [T]) on queries and keys; apply_rope if None
        """
        super().__init__()
        self.n_heads, self.n_kv, self.d_head = n_heads, n_kv, d // n_heads
        self.wq = nn.Linear(d, n_heads * self.d_head, bias=False)
        self.wk = nn.Linear(d, n_kv * self.d_head, bias=False)
        self.wv = nn.Linear(d, n_kv * self.d_head, bias=False)
        self.wo = nn.Linear(n_heads * self.d_head, d, bias=False)
        self.rotate = apply_rope if rotate is None else rotate

    def forward(self, x, cache=None):
        """Attend from each new token to itself and everything before it.

        x         new tokens [B,T,d]; head h has features h*d_head to (h+1)*d_head of wq(x)
        cache     None, or what the call before returned: keys and values of all earlier tokens
        returns   (y [B,T,d], (keys, values)), both [B,n_kv,T_past+T,d_head]
        """
        # >>> your code starts here
        batch, new, _ = x.shape
        q, k, v = (w(x).unflatten(-1, (-1, self.d_head)).transpose(1, 2)
                   for w in (self.wq, self.wk, self.wv))
        past = 0 if cache is None else cache[0].shape[2]
        pos = torch.arange(past, past + new, device=x.device)
        q, k = self.rotate(q, pos), self.rotate(k, pos)
        if cache is not None:
            k, v = torch.cat((cache[0], k), dim=2), torch.cat((cache[1], v), dim=2)
        share = self.n_heads // self.n_kv
        scores = q @ k.repeat_interleave(share, dim=1).mT / self.d_head**0.5
        seen = torch.ones(new, past + new, dtype=torch.bool, device=x.device).tril(past)
        weights = scores.masked_fill(~seen, float("-inf")).softmax(dim=-1)
        y = weights @ v.repeat_interleave(share, dim=1)
        return self.wo(y.reshape(batch, new, -1)), (k, v)
        # <<< your code ends here
