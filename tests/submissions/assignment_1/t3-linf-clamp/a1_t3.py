def project_l2(delta, eps):
    """Project each perturbation of a batch onto the L2 ball of radius eps.

    delta     perturbations [B,...]; every row delta[b] is one vector, whatever its shape
    eps       radius
    returns   a new tensor of the same shape and dtype; delta itself is not changed
    """
    # >>> your code starts here
    return delta.clamp(-eps, eps)
    # <<< your code ends here


def pgd_l2(model, x, y, eps, alpha, steps, generator=None):
    """Projected gradient descent in the L2 ball around x, intersected with [0,1].

    model, x, y   as in pgd_linf
    eps, alpha    radius of the ball and length of one step, per image, in the L2 norm
    generator     if given, start at a random point of the ball; if None, start at x
    returns       adversarial images, a new detached tensor with the shape and dtype of x
    """
    # >>> your code starts here
    x = x.detach()
    x_adv = x.clone()
    if generator is not None:
        u = torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
        length = torch.rand(len(x), generator=generator, dtype=x.dtype, device=x.device)
        u = u / u.flatten(1).norm(dim=1).reshape(-1, *[1] * (x.dim() - 1))
        x_adv = (x + eps * u * length.reshape(-1, *[1] * (x.dim() - 1))).clamp(0, 1)
    for _ in range(steps):
        x_adv = x_adv.detach().requires_grad_(True)
        loss = F.cross_entropy(model(x_adv), y, reduction="sum")
        (grad,) = torch.autograd.grad(loss, x_adv)
        norm = grad.flatten(1).norm(dim=1).clamp_min(1e-12)
        grad = grad / norm.reshape(-1, *[1] * (x.dim() - 1))
        delta = project_l2(x_adv.detach() + alpha * grad - x, eps)
        x_adv = (x + delta).clamp(0, 1)
    return x_adv.detach()
    # <<< your code ends here
