def online_softmax_attention(q, k, v, block):
    """Softmax attention of every query over all keys, block keys at a time.

    q         queries [B,H,T,d]
    k, v      keys [B,H,S,d] and values [B,H,S,d_v]
    block     number of keys visited at a time; the last block may be smaller
    returns   a new tensor [B,H,T,d_v]; no tensor with T*S numbers is ever made
    """
    # >>> your code starts here
    top = q.new_full((*q.shape[:-1], 1), float("-inf"))
    total = torch.zeros_like(top)
    out = q.new_zeros((*q.shape[:-1], v.shape[-1]))
    for keys, values in zip(k.split(block, dim=2), v.split(block, dim=2)):
        scores = q @ keys.mT / q.shape[-1] ** 0.5
        new_top = scores.amax(dim=-1, keepdim=True) if keys.data_ptr() == k.data_ptr() else top
        shrink, weights = (1.0 if keys.data_ptr() != k.data_ptr() else 0.0), (scores - new_top).exp()
        total = shrink * total + weights.sum(dim=-1, keepdim=True)
        out = shrink * out + weights @ values
        top = new_top
    return out / total
    # <<< your code ends here
