class MyAdamW(torch.optim.Optimizer):
    """AdamW: Adam with decoupled weight decay."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        """Make one step for every parameter that has a gradient."""
        # >>> your code starts here
        for group in self.param_groups:
            (beta1, beta2), lr = group["betas"], group["lr"]
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
                root = (state["v"] / (1 - beta2 ** state["t"]) + group["eps"]).sqrt()
                p.mul_(1 - lr * group["weight_decay"])
                p.sub_(lr * mean / root)
        # <<< your code ends here
