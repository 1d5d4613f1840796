def top_k_gating(logits, k, renormalise=True):
    """Keep the k largest logits of every token and turn them into gates.

    logits        [T,E], any floating dtype; not changed
    k             experts per token, 1 <= k <= E
    renormalise   True: the gates of a token sum to one over its k experts;
                  False: each kept gate is the softmax over ALL experts
    returns       (gates, idx): gates [T,E] in the dtype of logits, zero for experts not chosen,
                  differentiable; idx [T,k], dtype long, the chosen experts, largest logit first
    """
    # >>> your code starts here
    top, idx = logits.topk(k, dim=1)
    kept = torch.softmax(top, dim=0)
    if not renormalise:
        kept = torch.softmax(logits, dim=0).gather(1, idx)
    return torch.zeros_like(logits).scatter(1, idx, kept), idx
    # <<< your code ends here


def noisy_logits(x, Wg, Wn, train, generator=None):
    """Router logits, with learnt Gaussian noise while training.

    x           tokens [T,D]
    Wg, Wn      router and noise matrices [D,E]
    train       True adds the noise, False does not
    generator   torch.Generator for the noise; None means the global one
    returns     logits [T,E] in the dtype of x
    """
    # >>> your code starts here
    clean = x @ Wg
    if not train:
        return clean
    noise = torch.randn(clean.shape, generator=generator, dtype=x.dtype, device=x.device)
    return clean + noise * F.softplus(x @ Wn)
    # <<< your code ends here
