def ppo_loss(logp_new, logp_old, adv, clip):
    """The clipped surrogate of proximal policy optimisation, to be minimised.

    logp_new   [n] log-probabilities of the actions under the current policy
    logp_old   [n] the same under the policy that collected the data; gets no gradient
    adv        [n] advantages, used as they are; get no gradient
    clip       half the width c of the clip interval around 1
    returns    scalar tensor
    """
    # >>> your code starts here
    old, good = logp_old.detach(), adv.detach()
    ratio = (logp_new - old).exp()
    kept = torch.where(good > 0, torch.clamp(ratio, max=1 + clip), torch.clamp(ratio, min=1 - clip))
    return -(kept * good).sum() / len(good)
    # <<< your code ends here


def entropy_bonus(logits):
    """The mean entropy in nats of the categorical policies softmax(logits).

    logits    [n,A], of any size
    returns   scalar tensor
    """
    # >>> your code starts here
    return torch.distributions.Categorical(logits=logits).entropy().mean()
    # <<< your code ends here
