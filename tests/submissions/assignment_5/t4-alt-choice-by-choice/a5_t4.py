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
    C = -int(-factor * T * k // E)
    used = torch.zeros(E, dtype=torch.long, device=idx.device)
    places = []
    for j in range(k):
        hot = F.one_hot(idx[:, j], E)
        places.append(((hot.cumsum(0) - 1 + used) * hot).sum(1))
        used = used + hot.sum(0)
    pos = torch.stack(places, 1)
    keep = pos.lt(C)
    return keep, pos.masked_fill(~keep, -1), gates.masked_fill(~keep, 0.0)
    # <<< your code ends here
