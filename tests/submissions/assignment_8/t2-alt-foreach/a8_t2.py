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
            b1, b2 = group["betas"]
            params = [p for p in group["params"] if p.grad is not None]
            if not params:
                continue
            for p in params:
                if "exp_avg" not in self.state[p]:
                    self.state[p]["exp_avg"] = torch.zeros_like(p)
                    self.state[p]["exp_avg_sq"] = torch.zeros_like(p)
                    self.state[p]["step"] = 0
                self.state[p]["step"] += 1
            grads = [p.grad for p in params]
            m = [self.state[p]["exp_avg"] for p in params]
            v = [self.state[p]["exp_avg_sq"] for p in params]
            torch._foreach_lerp_(m, grads, 1 - b1)
            torch._foreach_mul_(v, b2)
            torch._foreach_addcmul_(v, grads, grads, value=1 - b2)
            c1 = [1 - b1 ** self.state[p]["step"] for p in params]
            c2 = [1 - b2 ** self.state[p]["step"] for p in params]
            u = torch._foreach_sqrt(torch._foreach_div(v, c2))
            torch._foreach_add_(u, group["eps"])
            u = torch._foreach_div(torch._foreach_div(m, c1), u)
            torch._foreach_add_(u, list(params), alpha=group["weight_decay"])
            for p, update, a, b in zip(params, u, torch._foreach_norm(params), torch._foreach_norm(u)):
                p.sub_(group["lr"] * (a / b if a != 0 and b != 0 else 1.0) * update)
        # <<< your code ends here
