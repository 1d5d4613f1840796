def pgd_linf(model, x, y, eps, alpha, steps, random_start=True, generator=None):
    """Projected gradient descent in the L-infinity ball around x, intersected with [0,1].

    model         maps images [B,C,H,W] to logits [B,K]
    x, y          clean images [B,C,H,W] in [0,1] and their labels [B]
    eps, alpha    radius of the ball and size of one step, both in pixel units
    steps         number of gradient steps; 0 returns the starting point
    random_start  start uniformly in the ball (every pixel of every image by itself), else at x
    generator     torch.Generator for the random start; None means the global one
    returns       adversarial images, a new detached tensor with the shape and dtype of x;
                  x, the parameters' .grad and model.training stay as they were
    """
    # >>> your code starts here
    x = x.detach()
    delta = torch.zeros_like(x)
    if random_start:
        delta.uniform_(-eps, eps, generator=generator)
    with torch.no_grad():
        delta.clamp_(-x, 1 - x)
    delta.requires_grad_(True)
    for _ in range(steps):
        (grad,) = torch.autograd.grad(F.cross_entropy(model(x + delta), y), delta)
        with torch.no_grad():
            delta.add_(grad.sign(), alpha=alpha).clamp_(-eps, eps)
            delta.clamp_(-x, 1 - x)
    return (x + delta).detach().clamp(0, 1)
    # <<< your code ends here
