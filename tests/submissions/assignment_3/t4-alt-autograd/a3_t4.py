def wgan_gp_step(G, D, opt_g, opt_d, real_fn, z_fn, n_critic, lam, penalty):
    """Train the critic n_critic times, then the generator once.

    G, D           generator and critic: noise [B,k] to samples [B,...], samples to scores [B,1]
    opt_g, opt_d   their optimisers
    real_fn, z_fn  functions without arguments; each call returns a fresh batch of real samples, of noise
    n_critic       number of critic updates, at least 1, each on a fresh batch of both
    lam            weight of the penalty
    penalty        called as penalty(D, real, fake); returns a scalar tensor
    returns        a dictionary of floats, each taken before the optimiser's step:
                   "distance", mean D(real) - mean D(fake), and "penalty", not multiplied by lam, of the
                   last critic update, and "g_loss", the generator's loss
    """
    # >>> your code starts here
    report = {}
    for _ in range(n_critic):
        with torch.no_grad():
            fake = G(z_fn())
        real = real_fn()
        scores = D(torch.cat([fake, real]))
        distance = scores[len(fake) :].mean() - scores[: len(fake)].mean()
        slope = penalty(D, real, fake)
        weights = list(D.parameters())
        for p, g in zip(weights, torch.autograd.grad(-distance + lam * slope, weights, allow_unused=True)):
            p.grad = g
        opt_d.step()
        report = {"distance": float(distance), "penalty": float(slope)}
    loss = -D(G(z_fn())).mean()
    weights = list(G.parameters())
    for p, g in zip(weights, torch.autograd.grad(loss, weights)):
        p.grad = g
    opt_g.step()
    return {**report, "g_loss": float(loss)}
    # <<< your code ends here
