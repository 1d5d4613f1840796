class SparseMoE(nn.Module):
    """A sparse mixture of experts from R^d to R^d.

    d, h     width of tokens, and of the hidden layer of each expert
    E, k     number of experts, and experts per token
    gating   called as gating(logits [T,E], k); returns (gates [T,E], idx [T,k])
    """

    def __init__(self, d, h, E, k, gating=None):
        super().__init__()
        self.d, self.E, self.k = d, E, k
        self.router = nn.Linear(d, E, bias=False)
        self.experts = nn.ModuleList(new_expert(d, h) for _ in range(E))
        self.gating = gating or (lambda logits, k: top_k_gating(logits, k, renormalise=k > 1))

    def forward(self, x):
        """Send every token to its experts and add up what they return, weighted by the gates.

        x         tokens [...,d], any number of leading dimensions
        returns   (y, aux): y has the shape and dtype of x; aux is a dictionary with
                  "logits" [T,E], the router's, attached to the graph; "idx" [T,k], as gating
                  returned it; "load" [E], dtype long: how many tokens each expert served
        Every expert module is called at most once, with the rows of its own tokens.
        """
        # >>> your code starts here
        tokens = x.reshape(-1, self.d)
        logits = self.router(tokens)
        gates, idx = self.gating(logits, self.k)
        y = torch.zeros_like(tokens)
        load, out = [], []
        for i, expert in enumerate(self.experts):
            rows = (idx == i).any(dim=1).nonzero().squeeze(1)
            load.append(len(rows))
            if len(rows):
                out.append(gates[rows, i, None] * expert(tokens[rows]))
        y = y + torch.cat(out)[: len(tokens)]
        aux = {"logits": logits, "idx": idx, "load": torch.tensor(load, device=x.device)}
        return y.reshape(x.shape), aux
        # <<< your code ends here
