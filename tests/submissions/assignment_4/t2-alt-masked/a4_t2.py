def derive_genotype(alpha, ops, topk=None):
    """Choose one operation for each edge.

    alpha     architecture parameters, a tensor [E,O]
    ops       names of the O operations, in the order of the columns; "none" is never chosen
    topk      keep only this many edges, those of the largest strength; None keeps all
    returns   a list of E names; None for an edge that is not kept
    """
    # >>> your code starts here
    columns = [i for i, name in enumerate(ops) if name != "none"]
    p = alpha.softmax(dim=-1)[:, columns].numpy()
    result = [None] * len(p)
    for e in np.argsort(-p.max(axis=1), kind="stable")[:topk]:
        result[e] = ops[columns[int(p[e].argmax())]]
    return result
    # <<< your code ends here
