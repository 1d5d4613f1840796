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
    counts = torch.zeros(num_classes, dtype=torch.long, device=x.device)
    for start in range(0, n, batch_size):
        size = (min(batch_size, n - start), *x.shape)
        noise = torch.randn(size, generator=generator, dtype=x.dtype, device=x.device)
        with torch.no_grad():
            votes = model(x + sigma * noise).argmax(dim=1)
        counts += torch.bincount(votes, minlength=num_classes)
    return counts
    # <<< your code ends here


def certified_radius(n_top, n, sigma, alpha):
    """L2 radius certified by n_top of n votes, or 0.0 to abstain.

    n_top, n     votes for the top class, and all votes
    sigma        standard deviation of the noise
    alpha        allowed probability of a wrong certificate (one-sided)
    returns      a Python float
    """
    # >>> your code starts here
    if n_top == 0:
        return 0.0
    p_lower = stats.beta.ppf(alpha, n_top, n - n_top + 1)
    if p_lower <= 0.5:
        return 0.0
    return float(stats.norm.ppf(p_lower))
    # <<< your code ends here
