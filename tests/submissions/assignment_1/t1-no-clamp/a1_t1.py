def fgsm(model, x, y, eps, targeted=False):
    """Fast gradient sign method.

    model     maps images [B,C,H,W] to logits [B,K]
    x         images [B,C,H,W] with values in [0,1] (here usually [B,1,28,28])
    y         labels [B], dtype long; the labels to reach if targeted, else the true ones
    eps       radius of the L-infinity ball
    returns   adversarial images, a new detached tensor with the shape and dtype of x
    """
    # >>> your code starts here
    x_adv = x.detach().clone().requires_grad_(True)
    loss = F.cross_entropy(model(x_adv), y, reduction="sum")
    (grad,) = torch.autograd.grad(loss, x_adv)
    step = -eps if targeted else eps
    return x.detach() + step * grad.sign()
    # <<< your code ends here
