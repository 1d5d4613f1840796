def fgsm(model, x, y, eps, targeted=False):
    """Fast gradient sign method.

    model     maps images [B,C,H,W] to logits [B,K]
    x         images [B,C,H,W] with values in [0,1] (here usually [B,1,28,28])
    y         labels [B], dtype long; the labels to reach if targeted, else the true ones
    eps       radius of the L-infinity ball
    returns   adversarial images, a new detached tensor with the shape and dtype of x
    """
    # >>> your code starts here
    z = x.clone().detach()
    z.requires_grad = True
    with torch.enable_grad():
        loss = nn.CrossEntropyLoss()(model(z), y)
    direction = torch.sign(torch.autograd.grad(loss, z)[0])
    if targeted:
        direction = -direction
    return torch.min(torch.max(z.detach() + eps * direction, torch.zeros_like(x)), torch.ones_like(x))
    # <<< your code ends here
