def expected_cost(alpha, costs):
    """Expected cost of an architecture drawn from softmax(alpha).

    alpha     architecture parameters [E,O]
    costs     cost of each operation [O]
    returns   a scalar tensor, summed over the edges, with a gradient by alpha
    """
    # >>> your code starts here
    p = alpha.exp() / alpha.exp().sum(dim=1, keepdim=True)
    return (p * costs).sum()
    # <<< your code ends here


def gumbel_st(logits, tau, generator):
    """Draw one operation for each edge, with straight-through gradients.

    logits      [E,O]; row e is drawn with the probabilities softmax(logits[e])
    tau         temperature of the soft sample whose gradient is used
    generator   torch.Generator for the noise
    returns     one-hot rows [E,O] of the dtype of logits, to 1e-6
    """
    # >>> your code starts here
    class StraightThrough(torch.autograd.Function):
        @staticmethod
        def forward(ctx, soft):
            return F.one_hot(soft.argmax(dim=1), soft.shape[1]).to(soft.dtype)

        @staticmethod
        def backward(ctx, grad):
            return grad

    noise = -torch.empty_like(logits.detach()).exponential_(generator=generator).log()
    return StraightThrough.apply(torch.softmax((logits + noise) / tau, dim=1))
    # <<< your code ends here
