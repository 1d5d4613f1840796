def apply_rope(x, pos, base=10_000.0):
    """Rotate neighbouring pairs of features by angles that grow with the position.

    x         queries or keys [B,H,T,d], d even
    pos       position of each token [T], integers
    base      pair i turns by base ** (-2 i / d) a token
    returns   a new tensor with the shape and dtype of x
    """
    # >>> your code starts here
    d = x.shape[-1]
    wide = x.double()
    theta = torch.exp(-torch.arange(0, d, 2, device=x.device).double() / d * torch.log(torch.tensor(base)))
    angle = torch.outer(pos.to(x.device).double(), theta.to(x.device)).repeat_interleave(2, dim=-1)
    other = torch.empty_like(wide)
    other[..., 0::2], other[..., 1::2] = -wide[..., 1::2], wide[..., 0::2]
    return (wide * angle.cos() + other * angle.sin()).to(x.dtype)
    # <<< your code ends here
