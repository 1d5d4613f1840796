def gd(h, x0, lr, n):
    """Gradient descent on f(x) = 1/2 sum h_i x_i^2.

    h, x0     the diagonal and the start, tensors [d]
    lr, n     step size and number of iterations
    returns   norms [n+1] of x_0, x_1, ..., x_n, a tensor with the dtype of x0
    """
    # >>> your code starts here
    return torch.stack([((1 - lr * h) ** k * x0).pow(2).sum().sqrt() for k in range(n + 1)])
    # <<< your code ends here


def heavy_ball(h, x0, lr, beta, n):
    """Gradient descent with Polyak's momentum beta; otherwise as gd."""
    # >>> your code starts here
    x, v, out = x0.clone(), torch.zeros_like(x0), [torch.linalg.norm(x0)]
    for _ in range(n):
        v = beta * v - lr * h * x
        x = x + v
        out.append(torch.linalg.norm(x))
    return torch.tensor([float(o) for o in out], dtype=x0.dtype)
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
    logs = np.log(np.asarray(norms, dtype=float)[burn_in:])
    return float(np.exp(np.polyfit(np.arange(burn_in, burn_in + len(logs)), logs, 1)[0]))
    # <<< your code ends here
