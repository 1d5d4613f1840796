def frechet_distance(mu1, S1, mu2, S2):
    """Squared Fréchet distance of two Gaussians.

    mu1, mu2   means, NumPy arrays [d]
    S1, S2     covariances, NumPy arrays [d,d]: symmetric, without negative eigenvalues, maybe singular
    returns    a Python float
    """
    # >>> your code starts here
    eig = np.linalg.eigvals(S1 @ S2)
    root = np.sqrt(np.maximum(eig.real, 0)).sum()
    shift = mu1 - mu2
    return float(shift @ shift + np.trace(S1) + np.trace(S2) - 2 * root)
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
    distance = torch.cdist(x, centers)
    first = distance.argmin(dim=1)
    modes, good = 0, 0
    for j in range(len(centers)):
        own = int(((first == j) & (distance[:, j] <= k * sd)).sum())
        good += own
        modes += own / len(x) >= min_frac
    return int(modes), good / len(x)
    # <<< your code ends here
