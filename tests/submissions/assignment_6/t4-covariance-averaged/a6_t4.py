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
    def variance(z):
        return F.relu(1 - torch.sqrt(z.var(dim=0) + eps)).mean()

    def covariance(z):
        centred = z - z.mean(dim=0)
        cov = centred.T @ centred / (len(z) - 1)
        off = cov.square().sum() - cov.diagonal().square().sum()
        return off / z.shape[1]

    parts = {
        "invariance": F.mse_loss(z1, z2),
        "variance": (variance(z1) + variance(z2)) / 2,
        "covariance": (covariance(z1) + covariance(z2)) / 2,
    }
    total = lam * parts["invariance"] + mu * parts["variance"] + nu * parts["covariance"]
    return total, parts
    # <<< your code ends here
