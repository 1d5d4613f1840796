def adv_train_epoch(model, opt, X, y, attack, batch_size, generator):
    """Train one epoch on attacked images only.

    model, opt   the network and its optimiser
    X, y         all training images [N,1,28,28] and labels [N], dtype long
    attack       called as attack(model, x_batch, y_batch), once per batch, before the step on
                 that batch; returns attacked images and may leave gradients on the parameters
    batch_size   size of the batches; the last one may be smaller
    generator    torch.Generator that decides the order; each example is visited exactly once
    returns      the mean cross-entropy on the attacked images, a Python float
    """
    # >>> your code starts here
    data = torch.utils.data.TensorDataset(X, y)
    loader = torch.utils.data.DataLoader(data, batch_size, shuffle=True, generator=generator)
    losses = []
    for xb, yb in loader:
        xb = attack(model, xb, yb)
        opt.zero_grad(set_to_none=False)
        loss = F.cross_entropy(model(xb), yb)
        loss.backward()
        opt.step()
        losses.append((float(loss), len(yb)))
    return sum(value * size for value, size in losses) / sum(size for _, size in losses)
    # <<< your code ends here


def trades_loss(model, x, x_adv, y, beta):
    """TRADES: cross-entropy on x plus beta times KL(p(x) || p(x_adv)), mean over the batch.

    model      maps images [B,...] to logits [B,K]
    x, x_adv   clean and attacked images [B,...]
    y          labels [B]
    beta       weight of the second term
    returns    a scalar tensor; gradients flow through both x and x_adv
    """
    # >>> your code starts here
    logits = model(x)
    log_q = F.log_softmax(model(x_adv), dim=1)
    kl = F.kl_div(log_q, F.softmax(logits, dim=1), reduction="batchmean")
    return F.cross_entropy(logits, y) + beta * kl
    # <<< your code ends here
