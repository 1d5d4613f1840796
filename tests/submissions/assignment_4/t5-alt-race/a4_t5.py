def expected_cost(alpha, costs):
    """Expected cost of an architecture drawn from softmax(alpha).

    alpha     architecture parameters [E,O]
    costs     cost of each operation [O]
    returns   a scalar tensor, summed over the edges, with a gradient by alpha
    """
    # >>> your code starts here
    return torch.einsum("eo,o->", alpha.softmax(dim=-1), costs)
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
    race = -torch.log(u.clamp_min(1e-30))  # the first of exponential clocks wins
    scores = (logits - race.log()) / tau
    soft = scores.softmax(dim=-1)
    hard = torch.zeros_like(soft).scatter(1, scores.argmax(dim=1, keepdim=True), 1.0)
    return (hard - soft).detach() + soft
    # <<< your code ends here
