def search_step(net, w_opt, a_opt, train_batch, val_batch):
    """One first-order step: alpha on the validation batch, then the weights on the training batch.

    net           maps images [B,...] to logits [B,K]; has alpha and weights among its parameters
    w_opt, a_opt  optimisers of the weights and of alpha
    train_batch   images [B,...] and labels [B]
    val_batch     likewise
    returns       (training loss, validation loss): the cross-entropies, each taken just before the
                  step that uses it, as floats
    """
    # >>> your code starts here
    x, y = val_batch
    val_loss = F.cross_entropy(net(x), y)
    val_loss.backward()
    a_opt.step()
    x, y = train_batch
    train_loss = F.cross_entropy(net(x), y)
    w_opt.zero_grad()
    train_loss.backward()
    w_opt.step()
    return train_loss.item(), val_loss.item()
    # <<< your code ends here


def second_order_grad(w, alpha, train_loss, val_loss, xi, scale=0.01):
    """Gradient of the validation loss after one step of the weights, by alpha.

    w, alpha              tensors without graph: weights [n], and alpha of any shape; not changed
    train_loss, val_loss  functions of (w, alpha) that return scalar tensors
    xi                    length of the step of the weights
    scale                 the finite difference uses epsilon = scale / |v|
    returns               a tensor of the shape of alpha, without graph
    """
    # >>> your code starts here
    def partial(loss, w, alpha):
        w, alpha = w.detach().requires_grad_(True), alpha.detach().requires_grad_(True)
        grads = torch.autograd.grad(loss(w, alpha), (w, alpha), allow_unused=True)
        return [torch.zeros_like(x) if g is None else g for x, g in zip((w, alpha), grads)]

    ahead = w - xi * partial(train_loss, w, alpha)[0]
    v, direct = partial(val_loss, ahead, alpha)
    eps = scale / v.norm().clamp_min(1e-12)
    plus = partial(train_loss, w + eps * v, alpha)[1]
    minus = partial(train_loss, w - eps * v, alpha)[1]
    return direct - xi * (plus - minus) / (2 * eps)
    # <<< your code ends here
