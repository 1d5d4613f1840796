def apply_capacity(idx, gates, E, factor):
    """Assign tokens to the limited places of the experts, first choices first.

    idx       chosen experts [T,k], dtype long, first choice in column 0; k different ones a token
    gates     gates of these choices [T,k], floating dtype
    E         number of experts
    factor    capacity factor; every expert has C = ceil(factor * T * k / E) places
    returns   (keep, pos, kept_gates), each [T,k]:
              keep         bool, whether the assignment has a place
              pos          dtype long, its place 0..C-1 in its expert's buffer, -1 if dropped
              kept_gates   gates where kept, 0 where dropped, dtype of gates
    """
    # >>> your code starts here
    T, k = idx.shape
    capacity = math.floor(factor * T * k / E)
    one_hot = F.one_hot(idx.T.reshape(-1), E)  # all first choices, then all second choices
    before = one_hot.cumsum(dim=0) - one_hot
    pos = (before * one_hot).sum(dim=1).reshape(k, T).T
    keep = pos < capacity
    return keep, torch.where(keep, pos, -1), gates * keep
    # <<< your code ends here
