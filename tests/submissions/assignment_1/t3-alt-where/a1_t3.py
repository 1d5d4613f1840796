def project_l2(delta, eps):
    """Project each perturbation of a batch onto the L2 ball of radius eps.

    delta     perturbations [B,...]; every row delta[b] is one vector, whatever its shape
    eps       radius
    returns   a new tensor of the same shape and dtype; delta itself is not changed
    """
    # >>> your code starts here
    lengths = (delta**2).sum(dim=tuple(range(1, delta.dim())), keepdim=True).sqrt()
    return torch.where(lengths > eps, delta * (eps / lengths), delta)
    # <<< your code ends here


def pgd_l2(model, x, y, eps, alpha, steps, generator=None):
    """Projected gradient descent in the L2 ball around x, intersected with [0,1].

    model, x, y   as in pgd_linf
    eps, alpha    radius of the ball and length of one step, per image, in the L2 norm
    generator     if given, start at a random point of the ball; if None, start at x
    returns       adversarial images, a new detached tensor with the shape and dtype of x
    """
    # >>> your code starts here
    dims = tuple(range(1, x.dim()))
    z = x.clone()
    if generator is not None:
        start = torch.empty_like(x).uniform_(-1, 1, generator=generator)
        z = torch.clamp(x + project_l2(start, eps), 0, 1)
    for _ in range(steps):
        z = z.detach().requires_grad_()
        (grad,) = torch.autograd.grad(F.cross_entropy(model(z), y, reduction="sum"), z)
        length = grad.pow(2).sum(dim=dims, keepdim=True).sqrt()
        step = torch.where(length > 0, grad / length, torch.zeros_like(grad))
        z = torch.clamp(x + project_l2(z.detach() + alpha * step - x, eps), 0, 1)
    return z.detach()
    # <<< your code ends here
