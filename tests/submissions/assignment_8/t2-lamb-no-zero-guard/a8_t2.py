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
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                direction, ratio = p.grad, 1.0
                if p.dim() > 1:
                    decay, w, g = group["weight_decay"], p.norm(), p.grad.norm()
                    direction = p.grad + decay * p
                    if w > 0 and g > 0:
                        ratio = group["trust"] * w / (g + decay * w)
                state = self.state[p]
                if "buffer" not in state:
                    state["buffer"] = torch.zeros_like(p)
                state["buffer"].mul_(group["momentum"]).add_(group["lr"] * ratio * direction)
                p.sub_(state["buffer"])
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
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state.update(t=0, m=torch.zeros_like(p), v=torch.zeros_like(p))
                state["t"] += 1
                state["m"].mul_(beta1).add_(p.grad, alpha=1 - beta1)
                state["v"].mul_(beta2).addcmul_(p.grad, p.grad, value=1 - beta2)
                mean = state["m"] / (1 - beta1 ** state["t"])
                root = (state["v"] / (1 - beta2 ** state["t"])).sqrt()
                update = mean / (root + group["eps"]) + group["weight_decay"] * p
                w, u = p.norm(), update.norm()
                ratio = w / u
                p.sub_(group["lr"] * ratio * update)
        # <<< your code ends here
