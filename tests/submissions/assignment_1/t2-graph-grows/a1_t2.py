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
    z = x.detach().clone().requires_grad_(True)
    if random_start:
        u = torch.rand(x.shape, generator=generator, dtype=x.dtype, device=x.device)
        z = (z + eps * (2 * u - 1)).clamp(0, 1)
    for _ in range(steps):
        loss = F.cross_entropy(model(z), y)
        (grad,) = torch.autograd.grad(loss, z, retain_graph=True)
        z = torch.max(torch.min(z + alpha * grad.sign(), x + eps), x - eps).clamp(0, 1)
    return z.detach()
    # <<< your code ends here
