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
    def gradients_of(batch, opt):
        loss = F.cross_entropy(net(batch[0]), batch[1])
        params = [p for group in opt.param_groups for p in group["params"]]
        for p, g in zip(params, torch.autograd.grad(loss, params)):
            p.grad = g
        opt.step()
        return float(loss)

    val = gradients_of(val_batch, a_opt)
    return gradients_of(train_batch, w_opt), val
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
    w, alpha = w.clone().requires_grad_(), alpha.clone().requires_grad_()
    (step,) = torch.autograd.grad(train_loss(w, alpha), w, create_graph=True)
    value = val_loss(w - xi * step, alpha)
    return torch.autograd.grad(value, alpha)[0]
    # <<< your code ends here
