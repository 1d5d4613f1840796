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
    z = torch.stack([z1, z2])
    n, d = z1.shape
    z0 = z - z.mean(dim=1, keepdim=True)
    cov = torch.einsum("vbi,vbj->vij", z0, z0) / (n - 1)
    std = (cov.diagonal(dim1=1, dim2=2) + eps).sqrt()
    gap = torch.where(std < 1, 1 - std, torch.zeros_like(std))
    off = ~torch.eye(d, dtype=torch.bool, device=z.device)
    parts = dict(invariance=torch.nn.MSELoss()(z1, z2), variance=gap.mean(),
                 covariance=(cov * off).square().sum() / d)
    return lam * parts["invariance"] + mu * parts["variance"] + nu * parts["covariance"], parts
    # <<< your code ends here
