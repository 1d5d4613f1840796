def expert_choice(logits, C):
    """Let every expert choose its C tokens.

    logits    router logits [T,E]
    C         tokens per expert, 1 <= C <= T
    returns   (idx, gates), each [E,C]: idx, dtype long, the C different tokens of each expert,
              the largest gate first; gates, dtype of logits, their softmax (over the experts) values
    """
    # >>> your code starts here
    gates, idx = torch.softmax(logits, dim=1).T.sort(dim=1, descending=True)
    return idx, gates
    # <<< your code ends here


def nmi(experts, clusters):
    """Normalised mutual information 2 I / (H + H') of two labelings.

    experts, clusters   labels [T], dtype long, any non-negative numbers
    returns             a Python float in [0,1]; 0.0 if one of them is constant
    """
    # >>> your code starts here
    def entropy(share):
        share = share[share > 0]
        return -float((share * share.log()).sum())

    width = int(clusters.max()) + 1
    counts = torch.bincount(experts * width + clusters, minlength=(int(experts.max()) + 1) * width)
    joint = counts.double().reshape(-1, width) / len(experts)
    h_experts, h_clusters = entropy(joint.sum(dim=1)), entropy(joint.sum(dim=0))
    if min(h_experts, h_clusters) <= 0:
        return 0.0
    return 2 * (h_experts + h_clusters - entropy(joint)) / (h_experts + h_clusters)
    # <<< your code ends here
