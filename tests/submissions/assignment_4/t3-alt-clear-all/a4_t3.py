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
    losses = []
    for opt, (x, y) in ((a_opt, val_batch), (w_opt, train_batch)):
        net.zero_grad(set_to_none=False)
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        opt.step()
        losses.append(float(loss))
    return losses[1], losses[0]
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
    a = alpha.clone().requires_grad_(True)
    x = w.clone().requires_grad_(True)
    step = torch.autograd.grad(train_loss(x, a), x, create_graph=True)[0]
    ahead = (w - xi * step.detach()).requires_grad_(True)
    b = alpha.clone().requires_grad_(True)
    v, direct = torch.autograd.grad(val_loss(ahead, b) + 0 * b.sum(), (ahead, b))
    (mixed,) = torch.autograd.grad(step + 0 * a.sum(), a, v)
    return (direct - xi * mixed).detach()
    # <<< your code ends here
