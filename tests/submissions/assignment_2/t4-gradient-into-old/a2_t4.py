def ppo_loss(logp_new, logp_old, adv, clip):
    """The clipped surrogate of proximal policy optimisation, to be minimised.

    logp_new   [n] log-probabilities of the actions under the current policy
    logp_old   [n] the same under the policy that collected the data; gets no gradient
    adv        [n] advantages, used as they are; get no gradient
    clip       half the width c of the clip interval around 1
    returns    scalar tensor
    """
    # >>> your code starts here
    adv = adv.detach()
    ratio = torch.exp(logp_new - logp_old)
    return -torch.minimum(ratio * adv, ratio.clamp(1 - clip, 1 + clip) * adv).mean()
    # <<< your code ends here


def entropy_bonus(logits):
    """The mean entropy in nats of the categorical policies softmax(logits).

    logits    [n,A], of any size
    returns   scalar tensor
    """
    # >>> your code starts here
    logp = logits.log_softmax(dim=1)
    return -(logp.exp() * logp).sum(dim=1).mean()
    # <<< your code ends here
