def online_softmax_attention(q, k, v, block):
    """Softmax attention of every query over all keys, block keys at a time.

    q         queries [B,H,T,d]
    k, v      keys [B,H,S,d] and values [B,H,S,d_v]
    block     number of keys visited at a time; the last block may be smaller
    returns   a new tensor [B,H,T,d_v]; no tensor with T*S numbers is ever made
    """
    # >>> your code starts here
    out = log_total = None
    for start in range(0, k.shape[2], block):
        scores = torch.einsum("bhtd,bhsd->bhts", q, k[:, :, start : start + block]) / q.shape[-1] ** 0.5
        part = scores.logsumexp(dim=-1, keepdim=True)
        y = (scores - part).exp() @ v[:, :, start : start + block]
        if out is None:
            out, log_total = y, part
        else:
            both = torch.logaddexp(log_total, part)
            out = out * (log_total - both).exp() + y * (part - both).exp()
            log_total = both
    return out
    # <<< your code ends here
