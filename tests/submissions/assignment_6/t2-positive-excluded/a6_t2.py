def nt_xent(z1, z2, tau):
    """The normalised temperature-scaled cross-entropy loss of SimCLR.

    z1, z2    embeddings [B,D] of the two views, B >= 1; row b of both comes from image b
    tau       temperature, positive
    returns   a scalar in the dtype of z1: the mean over all 2B views
    """
    # >>> your code starts here
    n = len(z1)
    u = F.normalize(torch.cat([z1, z2]), dim=1)
    logits = u @ u.T / tau
    itself = torch.eye(2 * n, dtype=torch.bool, device=z1.device)
    partner = torch.arange(2 * n, device=z1.device).roll(n)
    at = torch.arange(2 * n, device=z1.device)
    positive = logits[at, partner]
    hidden = logits.masked_fill(itself, -torch.inf).scatter(1, partner[:, None], -torch.inf)
    return (hidden.logsumexp(dim=1) - positive).mean()
    # <<< your code ends here
