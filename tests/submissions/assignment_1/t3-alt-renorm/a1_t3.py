def project_l2(delta, eps):
    """Project each perturbation of a batch onto the L2 ball of radius eps.

    delta     perturbations [B,...]; every row delta[b] is one vector, whatever its shape
    eps       radius
    returns   a new tensor of the same shape and dtype; delta itself is not changed
    """
    # >>> your code starts here
    return torch.renorm(delta, p=2, dim=0, maxnorm=eps)
    # <<< your code ends here


def pgd_l2(model, x, y, eps, alpha, steps, generator=None):
    """Projected gradient descent in the L2 ball around x, intersected with [0,1].

    model, x, y   as in pgd_linf
    eps, alpha    radius of the ball and length of one step, per image, in the L2 norm
    generator     if given, start at a random point of the ball; if None, start at x
    returns       adversarial images, a new detached tensor with the shape and dtype of x
    """
    # >>> your code starts here
    delta = torch.zeros_like(x)
    if generator is not None:
        delta = project_l2(0.1 * eps * torch.randn(x.shape, generator=generator, dtype=x.dtype), eps)
        delta = (x + delta).clamp(0, 1) - x
    for _ in range(steps):
        delta.requires_grad_(True)
        (grad,) = torch.autograd.grad(F.cross_entropy(model(x + delta), y), delta)
        grad = F.normalize(grad.flatten(1), dim=1, eps=1e-20).view_as(x)
        delta = project_l2(delta.detach() + alpha * grad, eps)
        delta = (x + delta).clamp(0, 1) - x
    return (x + delta).detach()
    # <<< your code ends here
