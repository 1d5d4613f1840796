def nt_xent(z1, z2, tau):
    """The normalised temperature-scaled cross-entropy loss of SimCLR.

    z1, z2    embeddings [B,D] of the two views, B >= 1; row b of both comes from image b
    tau       temperature, positive
    returns   a scalar in the dtype of z1: the mean over all 2B views
    """
    # >>> your code starts here
    a = z1 / z1.norm(dim=1, keepdim=True)
    b = z2 / z2.norm(dim=1, keepdim=True)
    B, losses = len(a), []
    for mine, other in ((a, b), (b, a)):
        for i in range(B):
            rest = [j for j in range(B) if j != i]
            candidates = torch.cat([other[i : i + 1], mine[rest], other[rest]])
            s = candidates @ mine[i] / tau
            losses.append(torch.logsumexp(s, 0) - s[0])
    return torch.stack(losses).mean()
    # <<< your code ends here
