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
    C = math.ceil(factor * T * k / E)
    used = [0] * E
    keep = torch.zeros(T, k, dtype=torch.bool)
    pos = -torch.ones(T, k, dtype=torch.long)
    for j in range(k):
        for t in range(T):
            i = int(idx[t, j])
            if used[i] < C:
                keep[t, j], pos[t, j] = True, used[i]
                used[i] += 1
    kept = gates.clone()
    kept[~keep] = 0
    return keep, pos, kept
    # <<< your code ends here
