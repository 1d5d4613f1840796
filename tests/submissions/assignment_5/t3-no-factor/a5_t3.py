def load_balance_loss(probs, idx, E):
    """The balance loss E * sum_i f_i P_i.

    probs     router probabilities [T,E]: softmax over all experts
    idx       chosen experts [T,k], dtype long
    E         number of experts
    returns   a scalar in the dtype of probs, differentiable with respect to probs
    """
    # >>> your code starts here
    f = F.one_hot(idx, E).to(probs.dtype).mean(dim=(0, 1))
    return (f * probs.mean(dim=0)).sum()
    # <<< your code ends here


def router_z_loss(logits):
    """The mean over tokens of the squared log-sum-exp of the logits.

    logits    [T,E]
    returns   a differentiable scalar in the dtype of logits
    """
    # >>> your code starts here
    return torch.logsumexp(logits, dim=1).square().mean()
    # <<< your code ends here


def cv_squared(x):
    """The squared coefficient of variation: biased variance over squared mean.

    x         positive numbers [E], floating dtype
    returns   a scalar in the dtype of x
    """
    # >>> your code starts here
    return x.var(unbiased=False) / x.mean().square()
    # <<< your code ends here
