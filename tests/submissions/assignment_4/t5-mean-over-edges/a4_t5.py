def expected_cost(alpha, costs):
    """Expected cost of an architecture drawn from softmax(alpha).

    alpha     architecture parameters [E,O]
    costs     cost of each operation [O]
    returns   a scalar tensor, summed over the edges, with a gradient by alpha
    """
    # >>> your code starts here
    return (F.softmax(alpha, dim=1) @ costs.to(alpha)).mean()
    # <<< your code ends here


def gumbel_st(logits, tau, generator):
    """Draw one operation for each edge, with straight-through gradients.

    logits      [E,O]; row e is drawn with the probabilities softmax(logits[e])
    tau         temperature of the soft sample whose gradient is used
    generator   torch.Generator for the noise
    returns     one-hot rows [E,O] of the dtype of logits, to 1e-6
    """
    # >>> your code starts here
    u = torch.rand(logits.shape, generator=generator, dtype=logits.dtype, device=logits.device)
    noise = -torch.log(-torch.log(u.clamp(1e-12, 1 - 1e-7)))
    soft = F.softmax((logits + noise) / tau, dim=1)
    hard = F.one_hot(soft.argmax(dim=1), logits.shape[1]).to(soft)
    return hard + soft - soft.detach()
    # <<< your code ends here
