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
    n, side = len(x), x.shape[-1]
    erased = round(cfg["erase"] * side)

    def uniform(low, high):
        return low + (high - low) * torch.rand(n, generator=generator, dtype=x.dtype, device=x.device)

    def view():
        angle = torch.deg2rad(uniform(*cfg["rotate"]))
        scale = uniform(*cfg["scale"])
        cos, sin = angle.cos() / scale, angle.sin() / scale
        tx, ty = 2 * uniform(*cfg["shift"]), 2 * uniform(*cfg["shift"])
        matrix = torch.stack([cos, -sin, tx, sin, cos, ty], dim=1).reshape(n, 2, 3)
        grid = F.affine_grid(matrix, list(x.shape), align_corners=False)
        out = F.grid_sample(x, grid, align_corners=False)
        first = torch.randint(side - erased + 1, (2, n, 1), generator=generator, device=x.device)
        at = torch.arange(side, device=x.device)
        rows, _ = (at >= first) & (at < first + erased)
        columns = rows
        return out.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0.0)

    return view(), view()
    # <<< your code ends here
