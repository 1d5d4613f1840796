def two_views(x, cfg, generator=None):
    """Two random views of every image of a batch.

    x           images [B,C,H,H], values in [0,1]; not changed
    cfg         dictionary with the ranges (low, high) "rotate" in degrees, "scale" (magnification),
                "shift" in fractions of the side (for t_x and for t_y), and with "erase", the side of
                the erased square as a fraction of H
    generator   torch.Generator on the device of x; None means the global one
    returns     (v1, v2), new tensors with the shape and dtype of x
    """
    # >>> your code starts here
    both = torch.cat([x, x])
    n, H = len(both), x.shape[2]
    u = torch.rand(6, n, generator=generator, dtype=x.dtype, device=x.device)
    lerp = lambda name, v: cfg[name][0] + (cfg[name][1] - cfg[name][0]) * v
    angle, inverse = lerp("rotate", u[0]) * (math.pi / 180), 1 / lerp("scale", u[1])
    c, s = torch.cos(angle) * inverse, torch.sin(angle) * inverse
    first = torch.stack([c, -s, 2 * lerp("shift", u[2])], dim=-1)
    second = torch.stack([s, c, 2 * lerp("shift", u[3])], dim=-1)
    grid = F.affine_grid(torch.stack([first, second], dim=1), both.size(), align_corners=False)
    both = F.grid_sample(both, grid, padding_mode="zeros", align_corners=False)
    size = int(round(cfg["erase"] * H))
    corner = (u[4:] * (H - size + 1)).floor()
    line = torch.arange(H, dtype=x.dtype, device=x.device)
    inside = (line >= corner[..., None]) & (line < corner[..., None] + size)
    keep = ~(inside[0][:, :, None] & inside[1][:, None, :])
    v1, v2 = (both * keep[:, None].to(x.dtype)).chunk(2)
    return v1, v2
    # <<< your code ends here
