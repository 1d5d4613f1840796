def smoothed_counts(model, x, sigma, n, num_classes, generator, batch_size):
    """Count how often the model gives each class to noisy copies of one image.

    model        maps images [b,1,28,28] to logits [b,num_classes]
    x            one image [1,28,28]
    sigma        standard deviation of the Gaussian noise, independent for every pixel and copy
    n            number of noisy copies
    generator    torch.Generator for the noise
    batch_size   the model sees at most this many copies at a time
    returns      LongTensor [num_classes] with sum n
    """
    # >>> your code starts here
    noise = sigma * torch.randn(n, *x.shape, generator=generator, dtype=x.dtype)
    with torch.no_grad():
        votes = torch.cat([model(x[None] + part).argmax(1) for part in noise.split(batch_size)])
    return F.one_hot(votes, num_classes).sum(dim=0)
    # <<< your code ends here


def certified_radius(n_top, n, sigma, alpha):
    """L2 radius certified by n_top of n votes, or 0.0 to abstain.

    n_top, n     votes for the top class, and all votes
    sigma        standard deviation of the noise
    alpha        allowed probability of a wrong certificate (one-sided)
    returns      a Python float
    """
    # >>> your code starts here
    low = stats.beta(n_top, n - n_top + 1).ppf(alpha) if n_top else 0.0
    return float(max(0.0, sigma * stats.norm.ppf(low)))
    # <<< your code ends here
