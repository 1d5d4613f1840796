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
    for _ in range(n_critic):
        real = real_fn()
        fake = G(z_fn()).detach()
        distance = D(real).mean() - D(fake).mean()
        slope = penalty(D, real, fake)
        opt_d.zero_grad()
        (lam * slope - distance).backward()
        opt_d.step()
    g_loss = -D(G(z_fn())).mean()
    g_loss.backward()
    opt_g.step()
    return {"distance": distance.item(), "penalty": slope.item(), "g_loss": g_loss.item()}
    # <<< your code ends here
