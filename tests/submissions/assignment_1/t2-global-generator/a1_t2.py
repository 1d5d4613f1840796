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
    x_adv = x.clone()
    if random_start:
        u = torch.rand(x.shape, dtype=x.dtype, device=x.device)
        x_adv = (x + eps * (2 * u - 1)).clamp(0, 1)
    for _ in range(steps):
        x_adv = x_adv.detach().requires_grad_(True)
        loss = F.cross_entropy(model(x_adv), y, reduction="sum")
        (grad,) = torch.autograd.grad(loss, x_adv)
        delta = (x_adv.detach() + alpha * grad.sign() - x).clamp(-eps, eps)
        x_adv = (x + delta).clamp(0, 1)
    return x_adv.detach()
    # <<< your code ends here
