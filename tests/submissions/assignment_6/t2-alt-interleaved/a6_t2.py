def nt_xent(z1, z2, tau):
    """The normalised temperature-scaled cross-entropy loss of SimCLR.

    z1, z2    embeddings [B,D] of the two views, B >= 1; row b of both comes from image b
    tau       temperature, positive
    returns   a scalar in the dtype of z1: the mean over all 2B views
    """
    # >>> your code starts here
    z = torch.stack([z1, z2], dim=1).reshape(-1, z1.shape[1])
    z = F.normalize(z, p=2, dim=-1)
    s = torch.mm(z, z.t()).div(tau)
    s = s - torch.diag_embed(torch.full_like(s[0], float("inf")))
    partner = torch.arange(len(z), device=z.device) ^ 1
    positive = s.gather(1, partner[:, None]).squeeze(1)
    return torch.mean(torch.logsumexp(s, dim=1) - positive)
    # <<< your code ends here
