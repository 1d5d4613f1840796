def extract(net, X, batch):
    """Features of images: the output of net.encoder in evaluation mode.

    net       a Net, in any mode; afterwards its mode, weights and buffers are as before
    X         images [N,1,28,28]
    batch     images per forward pass; the last one may be smaller
    returns   features [N,64] in the order of X, without gradient
    """
    # >>> your code starts here
    mode = net.training
    net.eval()
    try:
        return torch.cat([net.encoder(x).detach() for x in torch.split(X, batch)], dim=0)
    finally:
        net.train(mode)
    # <<< your code ends here


def knn_accuracy(Ftr, ytr, Fte, yte, k, tau):
    """Accuracy of the weighted k-nearest-neighbour classifier with cosine similarity.

    Ftr, ytr   training features [N,D] and their labels [N], dtype long, values 0, 1, ...
    Fte, yte   test features [M,D] and their labels [M]
    k, tau     number of neighbours, 1 <= k <= N, and temperature of the votes
    returns    the share of test examples classified right, a Python float
    """
    # >>> your code starts here
    unit = lambda f: f / f.norm(dim=1, keepdim=True).clamp_min(1e-12)
    top, idx = torch.topk(unit(Fte) @ unit(Ftr).T, k)
    hot = F.one_hot(ytr)[idx].to(top.dtype)
    votes = (torch.softmax(top / tau, dim=1)[:, :, None] * hot).sum(dim=1)
    return (votes.argmax(1) == yte).sum().item() / len(yte)
    # <<< your code ends here
