class LARS(torch.optim.Optimizer):
    """Momentum with layer-wise adaptive rate scaling."""

    def __init__(self, params, lr=1.0, momentum=0.9, trust=0.001, weight_decay=1e-4):
        super().__init__(
            params, {"lr": lr, "momentum": momentum, "trust": trust, "weight_decay": weight_decay}
        )

    @torch.no_grad()
    def step(self):
        """Make one step for every parameter that has a gradient."""
        # >>> your code starts here
        def trust(a, b):
            return float(a / b) if float(a) != 0 and float(b) != 0 else 1.0

        for group in self.param_groups:
            lr, decay = group["lr"], group["weight_decay"]
            for p in (p for p in group["params"] if p.grad is not None):
                g = p.grad.clone()
                r = 1.0
                if p.ndim >= 2:
                    norm_w, norm_g = torch.linalg.vector_norm(p), torch.linalg.vector_norm(g)
                    if norm_g > 0:
                        r = group["trust"] * trust(norm_w, norm_g + decay * norm_w) if norm_w > 0 else 1.0
                    g = g + decay * p
                old = self.state[p].get("b")
                new = lr * r * g if old is None else group["momentum"] * old + lr * r * g
                self.state[p]["b"] = new
                p.copy_(p - new)
        # <<< your code ends here


class LAMB(torch.optim.Optimizer):
    """Adam's direction, scaled layer by layer."""

    def __init__(self, params, lr=1e-2, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.01):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        """Make one step for every parameter that has a gradient."""
        # >>> your code starts here
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for p in group["params"]:
                if p.grad is not None:
                    s = self.state[p]
                    s["t"] = s.get("t", 0) + 1
                    s["m"] = b1 * s.get("m", 0) + (1 - b1) * p.grad
                    s["v"] = b2 * s.get("v", 0) + (1 - b2) * p.grad**2
                    u = s["m"] / (1 - b1 ** s["t"])
                    u = u / (torch.sqrt(s["v"] / (1 - b2 ** s["t"])) + group["eps"])
                    u = u + group["weight_decay"] * p
                    r = (p**2).sum().sqrt() / (u**2).sum().sqrt()
                    if not (torch.isfinite(r) and r > 0):
                        r = 1.0
                    p.add_(u * r, alpha=-group["lr"])
        # <<< your code ends here
