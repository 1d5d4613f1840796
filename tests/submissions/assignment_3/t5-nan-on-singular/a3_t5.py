def frechet_distance(mu1, S1, mu2, S2):
    """Squared Fréchet distance of two Gaussians.

    mu1, mu2   means, NumPy arrays [d]
    S1, S2     covariances, NumPy arrays [d,d]: symmetric, without negative eigenvalues, maybe singular
    returns    a Python float
    """
    # >>> your code starts here
    values, vectors = np.linalg.eigh(S1)
    root = (vectors * np.sqrt(values)) @ vectors.T
    product = np.linalg.eigvalsh(root @ S2 @ root)
    trace = np.trace(S1) + np.trace(S2) - 2 * np.sqrt(product).sum()
    return float(((mu1 - mu2) ** 2).sum() + trace)
    # <<< your code ends here


def mode_stats(x, centers, sd, k=4, min_frac=0.01):
    """Count the modes that samples cover, and the samples that are near a mode.

    x         samples, a tensor [N,d]
    centers   centres of the modes, a tensor [K,d]
    sd        standard deviation of a mode
    k         a sample within k * sd of its nearest centre is of high quality
    min_frac  a mode is found if its high-quality samples are at least this share of all N samples
    returns   (number of modes found, an int; share of high-quality samples, a float)
    """
    # >>> your code starts here
    distance, mode = torch.cdist(x, centers).min(dim=1)
    good = distance <= k * sd
    counts = torch.bincount(mode[good], minlength=len(centers))
    return int((counts >= min_frac * len(x)).sum()), float(good.float().mean())
    # <<< your code ends here
