def extract(net, X, batch):
    """Features of images: the output of net.encoder in evaluation mode.

    net       a Net, in any mode; afterwards its mode, weights and buffers are as before
    X         images [N,1,28,28]
    batch     images per forward pass; the last one may be smaller
    returns   features [N,64] in the order of X, without gradient
    """
    # >>> your code starts here
    was_training = net.training
    net.train(False)
    parts = []
    for start in range(0, len(X), batch):
        with torch.inference_mode():
            parts.append(net.encoder(X[start : start + batch]).clone())
    if was_training:
        net.train()
    return torch.cat(parts).clone()
    # <<< your code ends here


def knn_accuracy(Ftr, ytr, Fte, yte, k, tau):
    """Accuracy of the weighted k-nearest-neighbour classifier with cosine similarity.

    Ftr, ytr   training features [N,D] and their labels [N], dtype long, values 0, 1, ...
    Fte, yte   test features [M,D] and their labels [M]
    k, tau     number of neighbours, 1 <= k <= N, and temperature of the votes
    returns    the share of test examples classified right, a Python float
    """
    # >>> your code starts here
    right = 0
    for h, y in zip(Fte, yte.tolist()):
        cos = torch.cosine_similarity(Ftr, h[None], dim=1)
        order = cos.argsort(descending=True)[:k]
        weight = ((cos[order] - 1) / tau).exp()
        scores = {int(c): float(weight[ytr[order] == c].sum()) for c in ytr[order].unique()}
        right += max(scores, key=scores.get) == y
    return right / len(yte)
    # <<< your code ends here
