def nt_xent(z1, z2, tau):
    """The normalised temperature-scaled cross-entropy loss of SimCLR.

    z1, z2    embeddings [B,D] of the two views, B >= 1; row b of both comes from image b
    tau       temperature, positive
    returns   a scalar in the dtype of z1: the mean over all 2B views
    """
    # >>> your code starts here
    n = len(z1)
    u = F.normalize(torch.cat([z1, z2]), dim=1)
    logits = u @ u.T
    itself = torch.eye(2 * n, dtype=torch.bool, device=z1.device)
    partner = torch.arange(2 * n, device=z1.device).roll(n)
    return F.cross_entropy(logits.masked_fill(itself, -torch.inf), partner)
    # <<< your code ends here
