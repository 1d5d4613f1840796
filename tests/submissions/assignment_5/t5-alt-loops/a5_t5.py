def expert_choice(logits, C):
    """Let every expert choose its C tokens.

    logits    router logits [T,E]
    C         tokens per expert, 1 <= C <= T
    returns   (idx, gates), each [E,C]: idx, dtype long, the C different tokens of each expert,
              the largest gate first; gates, dtype of logits, their softmax (over the experts) values
    """
    # >>> your code starts here
    probs = F.softmax(logits, dim=-1).transpose(0, 1)
    idx = probs.argsort(dim=1, descending=True)[:, :C]
    gates = torch.gather(probs, 1, idx)
    return idx, gates
    # <<< your code ends here


def nmi(experts, clusters):
    """Normalised mutual information 2 I / (H + H') of two labelings.

    experts, clusters   labels [T], dtype long, any non-negative numbers
    returns             a Python float in [0,1]; 0.0 if one of them is constant
    """
    # >>> your code starts here
    n, info, spread = len(experts), 0.0, 0.0
    for i in experts.unique():
        for j in clusters.unique():
            both = float(((experts == i) & (clusters == j)).sum()) / n
            if both:
                alone = float((experts == i).sum()) * float((clusters == j).sum()) / n**2
                info += both * math.log2(both / alone)
    for labels in (experts, clusters):
        for share in (labels.unique(return_counts=True)[1] / n).tolist():
            spread -= share * math.log2(share)
        if len(labels.unique()) == 1:
            return 0.0
    return 2 * info / spread
    # <<< your code ends here
