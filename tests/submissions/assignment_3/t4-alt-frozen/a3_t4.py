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
    G.requires_grad_(False)
    for _ in range(n_critic):
        opt_d.zero_grad(set_to_none=False)
        real, fake = real_fn(), G(z_fn())
        w = D(fake).mean() - D(real).mean()
        gp = penalty(D, real, fake)
        loss = w + lam * gp
        loss.backward()
        opt_d.step()
    G.requires_grad_(True)
    D.requires_grad_(False)
    opt_g.zero_grad()
    loss = D(G(z_fn())).mean().neg()
    loss.backward()
    opt_g.step()
    D.requires_grad_(True)
    return {"distance": -float(w), "penalty": float(gp), "g_loss": float(loss)}
    # <<< your code ends here
