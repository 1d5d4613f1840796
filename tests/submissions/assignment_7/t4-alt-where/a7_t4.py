def linear_attention(q, k, v):
    """Causal linear attention with the features elu(x) + 1, all positions at once.

    q, k      queries and keys [B,H,T,d]
    v         values [B,H,T,d_v]
    returns   a new tensor [B,H,T,d_v]
    """
    # >>> your code starts here
    weights = (
        torch.where(q > 0, q + 1, q.clamp(max=0).exp())
        @ torch.where(k > 0, k + 1, k.clamp(max=0).exp()).transpose(2, 3)
    )
    weights = weights * torch.ones_like(weights).tril()
    return weights @ v / weights.sum(dim=-1, keepdim=True)
    # <<< your code ends here


def linear_attention_step(q_t, k_t, v_t, state):
    """The same for one more token, given the state after all tokens before it.

    q_t, k_t   query and key of the token [B,H,d]
    v_t        its value [B,H,d_v]
    state      None before the first token, else what the call before returned
    returns    (y_t [B,H,d_v], state): a tuple of tensors whose sizes do not grow
    """
    # >>> your code starts here
    phi_q, phi_k = F.elu(q_t) + 1, F.elu(k_t) + 1
    both = torch.cat((v_t, torch.ones_like(v_t[..., :1])), dim=-1)  # the last column sums the keys
    sums = torch.einsum("bhd,bhe->bhde", phi_k, both)
    sums = sums if state is None else state[0] + sums
    out = torch.einsum("bhd,bhde->bhe", phi_q, sums)
    return out[..., :-1] / out[..., -1:], (sums,)
    # <<< your code ends here
