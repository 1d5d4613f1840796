def apply_rope(x, pos, base=10_000.0):
    """Rotate neighbouring pairs of features by angles that grow with the position.

    x         queries or keys [B,H,T,d], d even
    pos       position of each token [T], integers
    base      pair i turns by base ** (-2 i / d) a token
    returns   a new tensor with the shape and dtype of x
    """
    # >>> your code starts here
    d = x.shape[-1]
    wide = torch.promote_types(x.dtype, torch.float32)
    theta = base ** (-torch.arange(0, d, 2, device=x.device, dtype=wide) / d)
    angle = pos.to(device=x.device, dtype=wide)[:, None] * theta
    pairs = torch.view_as_complex(x.to(wide).unflatten(-1, (-1, 2)).contiguous())
    turned = torch.view_as_real(pairs * torch.polar(torch.ones_like(angle), angle))
    return turned.flatten(-2).to(x.dtype)
    # <<< your code ends here
