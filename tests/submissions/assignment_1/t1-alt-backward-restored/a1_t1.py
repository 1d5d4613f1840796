def fgsm(model, x, y, eps, targeted=False):
    """Fast gradient sign method.

    model     maps images [B,C,H,W] to logits [B,K]
    x         images [B,C,H,W] with values in [0,1] (here usually [B,1,28,28])
    y         labels [B], dtype long; the labels to reach if targeted, else the true ones
    eps       radius of the L-infinity ball
    returns   adversarial images, a new detached tensor with the shape and dtype of x
    """
    # >>> your code starts here
    saved = [p.grad for p in model.parameters()]
    for p in model.parameters():
        p.grad = None
    z = x.clone().detach().requires_grad_(True)
    loss = -F.log_softmax(model(z), dim=1).gather(1, y.unsqueeze(1)).sum()
    if targeted:
        loss = -loss
    loss.backward()
    for p, old in zip(model.parameters(), saved):
        p.grad = old
    with torch.no_grad():
        return torch.clamp(z + eps * z.grad.sign(), 0.0, 1.0)
    # <<< your code ends here
