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
    B, C, H, _ = x.shape
    size = round(cfg["erase"] * H)

    def draw(name):
        low, high = cfg[name]
        return torch.empty(B, device=x.device, dtype=x.dtype).uniform_(low, high, generator=generator)

    views = []
    for _ in range(2):
        eye = torch.eye(3, dtype=x.dtype, device=x.device).repeat(B, 1, 1)
        turn, zoom, move = eye.clone(), eye.clone(), eye.clone()
        angle = draw("rotate") * math.pi / 180
        turn[:, 0, 0] = turn[:, 1, 1] = angle.cos()
        turn[:, 1, 0], turn[:, 0, 1] = angle.sin(), -angle.sin()
        zoom[:, 0, 0] = zoom[:, 1, 1] = 1 / draw("scale")
        move[:, 0, 2], move[:, 1, 2] = 2 * draw("shift"), 2 * draw("shift")
        theta = (move @ turn @ zoom)[:, :2]
        view = F.grid_sample(x, F.affine_grid(theta, x.shape, align_corners=False), mode="bilinear", align_corners=False)
        if size:
            top = torch.randint(0, H - size + 1, (B,), generator=generator)
            left = torch.randint(0, H - size + 1, (B,), generator=generator)
            for b in range(B):
                view[b, :, top[b] : top[b] + size, left[b] : left[b] + size] = 0
        views.append(view)
    return tuple(views)
    # <<< your code ends here
