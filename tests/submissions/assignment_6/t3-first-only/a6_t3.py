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
    with torch.no_grad():
        features = torch.cat([net.encoder(part) for part in X.split(batch)])
    net.train(mode)
    return features
    # <<< your code ends here


def knn_accuracy(Ftr, ytr, Fte, yte, k, tau):
    """Accuracy of the weighted k-nearest-neighbour classifier with cosine similarity.

    Ftr, ytr   training features [N,D] and their labels [N], dtype long, values 0, 1, ...
    Fte, yte   test features [M,D] and their labels [M]
    k, tau     number of neighbours, 1 <= k <= N, and temperature of the votes
    returns    the share of test examples classified right, a Python float
    """
    # >>> your code starts here
    similarity = F.normalize(Fte, dim=1) @ F.normalize(Ftr, dim=1).T
    nearest, idx = similarity.topk(1, dim=1)
    votes = torch.zeros(len(Fte), int(ytr.max()) + 1, dtype=Fte.dtype, device=Fte.device)
    votes = votes.scatter_add(1, ytr[idx], torch.exp(nearest / tau))
    return float((votes.argmax(dim=1) == yte).double().mean())
    # <<< your code ends here
