def gradient_penalty(critic, real, fake, center=1.0, generator=None):
    """Gradient penalty at random points between real and generated samples.

    critic       maps samples [B,...] to scores [B,1]; its parameters' .grad stay as they are
    real, fake   samples of the same shape [B,...], without graph
    center       the norm c that gradients should have
    generator    torch.Generator for the B random numbers; None means the global one
    returns      a scalar tensor that can be differentiated by the critic's parameters
    """
    # >>> your code starts here
    shape = (len(real), *[1] * (real.dim() - 1))
    eps = torch.randn(shape, generator=generator, dtype=real.dtype, device=real.device)
    x = (eps * real + (1 - eps) * fake).requires_grad_(True)
    (grad,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return ((grad.flatten(1).norm(dim=1) - center) ** 2).mean()
    # <<< your code ends here
