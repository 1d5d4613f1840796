def derive_genotype(alpha, ops, topk=None):
    """Choose one operation for each edge.

    alpha     architecture parameters, a tensor [E,O]
    ops       names of the O operations, in the order of the columns; "none" is never chosen
    topk      keep only this many edges, those of the largest strength; None keeps all
    returns   a list of E names; None for an edge that is not kept
    """
    # >>> your code starts here
    p = torch.softmax(alpha, dim=1).tolist()
    best = []
    for row in p:
        pairs = [(value, -i) for i, value in enumerate(row) if ops[i] != "none"]
        value, minus = max(pairs)
        best.append((value, ops[-minus]))
    ranked = sorted(range(len(best)), key=lambda e: best[e][0], reverse=True)
    ranked = ranked if topk is None else ranked[:topk]
    return [best[e][1] if e in ranked else None for e in range(len(best))]
    # <<< your code ends here
