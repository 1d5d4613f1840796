def vicreg_loss(z1, z2, lam=25.0, mu=25.0, nu=1.0, eps=1e-4):
    """The VICReg loss and its three parts.

    z1, z2        embeddings [B,D] of the two views, B >= 2
    lam, mu, nu   weights of invariance, variance and covariance
    eps           added to the variances under the root
    returns       (total, parts): total is a scalar in the dtype of z1; parts is a dictionary with the
                  scalars "invariance" (s), "variance" (mean of v over both views) and "covariance"
                  (sum of c over both views), not multiplied by their weights
    """
    # >>> your code starts here
    D = z1.shape[1]
    v, c = 0.0, 0.0
    for z in (z1, z2):
        cov = torch.cov(z.T).reshape(D, D)
        v = v + torch.clamp(1 - (torch.diagonal(cov) + eps) ** 0.5, min=0).mean() / 2
        c = c + (cov * (1 - torch.eye(D, dtype=z.dtype, device=z.device))).pow(2).sum() / D
    s = ((z1 - z2) ** 2).mean()
    return lam * s + mu * v + nu * c, {"invariance": s, "variance": v, "covariance": c}
    # <<< your code ends here
