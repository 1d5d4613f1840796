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
    total = 0.0
    for batch in torch.arange(len(X)).split(batch_size):
        x_adv = attack(model, X[batch], y[batch])
        loss = F.cross_entropy(model(x_adv), y[batch])
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item() * len(batch)
    return total / len(X)
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
