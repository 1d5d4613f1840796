def expert_choice(logits, C):
    """Let every expert choose its C tokens.

    logits    router logits [T,E]
    C         tokens per expert, 1 <= C <= T
    returns   (idx, gates), each [E,C]: idx, dtype long, the C different tokens of each expert,
              the largest gate first; gates, dtype of logits, their softmax (over the experts) values
    """
    # >>> your code starts here
    gates, idx = torch.softmax(logits, dim=1).topk(C, dim=0)
    gates, idx = gates.T.contiguous(), idx.T.contiguous()
    return idx, gates
    # <<< your code ends here


def nmi(experts, clusters):
    """Normalised mutual information 2 I / (H + H') of two labelings.

    experts, clusters   labels [T], dtype long, any non-negative numbers
    returns             a Python float in [0,1]; 0.0 if one of them is constant
    """
    # >>> your code starts here
    a, b = experts.numpy(), clusters.numpy()
    table = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(table, (a, b), 1 / len(a))
    rows, columns = table.sum(1), table.sum(0)
    entropy = lambda p: -float(np.sum(p[p > 0] * np.log(p[p > 0])))
    if (rows > 0).sum() == 1 or (columns > 0).sum() == 1:
        return 0.0
    outer = np.outer(rows, columns)
    info = np.sum(table[table > 0] * np.log(table[table > 0] / outer[table > 0]))
    return float(2 * info / (entropy(rows) + entropy(columns)))
    # <<< your code ends here
