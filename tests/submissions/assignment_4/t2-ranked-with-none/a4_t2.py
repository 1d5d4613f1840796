def derive_genotype(alpha, ops, topk=None):
    """Choose one operation for each edge.

    alpha     architecture parameters, a tensor [E,O]
    ops       names of the O operations, in the order of the columns; "none" is never chosen
    topk      keep only this many edges, those of the largest strength; None keeps all
    returns   a list of E names; None for an edge that is not kept
    """
    # >>> your code starts here
    allowed = torch.tensor([name != "none" for name in ops], device=alpha.device)
    p = F.softmax(alpha.detach(), dim=1).masked_fill(~allowed, -1.0)
    strength, choice = F.softmax(alpha, dim=1).max(dim=1).values.tolist(), p.cpu().numpy().argmax(axis=1)
    order = sorted(range(len(choice)), key=lambda edge: -strength[edge])
    kept = set(order if topk is None else order[:topk])
    return [ops[choice[edge]] if edge in kept else None for edge in range(len(choice))]
    # <<< your code ends here
