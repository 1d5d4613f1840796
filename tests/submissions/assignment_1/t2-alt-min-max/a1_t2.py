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
    low, high = (x - eps).clamp_min(0), (x + eps).clamp_max(1)
    z = x.clone()
    if random_start:
        noise = torch.empty_like(x).uniform_(-eps, eps, generator=generator)
        z = torch.minimum(torch.maximum(z + noise, low), high)
    for _ in range(steps):
        z = z.detach().requires_grad_(True)
        grad = torch.autograd.grad(F.cross_entropy(model(z), y), [z])[0]
        z = torch.minimum(torch.maximum(z.detach() + alpha * torch.sign(grad), low), high)
    return z.detach()
    # <<< your code ends here
