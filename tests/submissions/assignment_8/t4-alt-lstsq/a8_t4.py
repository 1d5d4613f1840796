def gd(h, x0, lr, n):
    """Gradient descent on f(x) = 1/2 sum h_i x_i^2.

    h, x0     the diagonal and the start, tensors [d]
    lr, n     step size and number of iterations
    returns   norms [n+1] of x_0, x_1, ..., x_n, a tensor with the dtype of x0
    """
    # >>> your code starts here
    return heavy_ball(h, x0, lr, 0.0, n)
    # <<< your code ends here


def heavy_ball(h, x0, lr, beta, n):
    """Gradient descent with Polyak's momentum beta; otherwise as gd."""
    # >>> your code starts here
    before, x = x0, x0
    norms = [x0.norm()]
    for _ in range(n):
        before, x = x, x - lr * h * x + beta * (x - before)
        norms.append(x.norm())
    return torch.stack(norms)
    # <<< your code ends here


def nesterov(h, x0, lr, beta, n):
    """Gradient descent with Nesterov's momentum beta; otherwise as gd."""
    # >>> your code starts here
    xs, y = [x0], x0
    for _ in range(n):
        xs.append(y - lr * (h * y))
        y = xs[-1] + beta * (xs[-1] - xs[-2])
    return torch.stack(xs).norm(dim=1)
    # <<< your code ends here


def fit_rate(norms, burn_in):
    """The factor by which norms shrink an iteration, by least squares on their logarithms.

    norms     [n+1], all positive
    burn_in   iterations at the beginning that are left out; at least two norms remain
    returns   float
    """
    # >>> your code starts here
    logs = torch.as_tensor(norms)[burn_in:].double().log()
    design = torch.stack([torch.arange(len(logs)).double(), torch.ones(len(logs)).double()], dim=1)
    return float(torch.linalg.lstsq(design, logs[:, None]).solution[0, 0].exp())
    # <<< your code ends here
