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
    before, x = torch.zeros_like(x0), x0
    norms = [x0.norm()]
    for _ in range(n):
        before, x = x, x - lr * h * x + beta * (x - before)
        norms.append(x.norm())
    return torch.stack(norms)
    # <<< your code ends here


def nesterov(h, x0, lr, beta, n):
    """Gradient descent with Nesterov's momentum beta; otherwise as gd."""
    # >>> your code starts here
    before, x = x0, x0
    norms = [x0.norm()]
    for _ in range(n):
        ahead = x + beta * (x - before)
        before, x = x, ahead - lr * h * ahead
        norms.append(x.norm())
    return torch.stack(norms)
    # <<< your code ends here


def fit_rate(norms, burn_in):
    """The factor by which norms shrink an iteration, by least squares on their logarithms.

    norms     [n+1], all positive
    burn_in   iterations at the beginning that are left out; at least two norms remain
    returns   float
    """
    # >>> your code starts here
    logs = torch.as_tensor(norms)[burn_in:].double().log()
    k = torch.arange(len(logs), dtype=torch.float64)
    k = k - k.mean()
    return math.exp(float((k * logs).sum() / (k * k).sum()))
    # <<< your code ends here
