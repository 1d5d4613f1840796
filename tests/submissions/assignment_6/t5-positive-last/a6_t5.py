def ema_update_(target, online, m):
    """Move the target network's parameters towards the online ones, in place; copy the buffers.

    target   module to change; its tensors stay the same objects and out of any graph
    online   module of the same structure; not changed
    m        momentum in [0,1]: 1 keeps the target's parameters, 0 copies the online ones
    returns  None
    """
    # >>> your code starts here
    with torch.no_grad():
        for mine, theirs in zip(target.parameters(), online.parameters()):
            mine.mul_(m).add_(theirs, alpha=1 - m)
        for mine, theirs in zip(target.buffers(), online.buffers()):
            mine.copy_(theirs)
    # <<< your code ends here


class FeatureQueue:
    """The last K keys of width D, first in, first out."""

    def __init__(self, K, D):
        self.K = K
        self.rows = torch.zeros(K, D)
        self.next = 0  # where the next key goes
        self.count = 0  # how many rows hold a key

    def enqueue(self, keys):
        """Store keys [n,D], n >= 1; the oldest ones make room. Of a batch of more than K the last K stay."""
        # >>> your code starts here
        keys = keys.detach()[-self.K :]
        places = (self.next + torch.arange(len(keys))) % self.K
        self.rows[places] = keys.to(self.rows)
        self.next = (self.next + len(keys)) % self.K
        self.count = min(self.K, self.count + len(keys))
        # <<< your code ends here

    def features(self):
        """Return the stored keys [count,D], in any order, without gradient."""
        # >>> your code starts here
        return self.rows[: self.count].clone()
        # <<< your code ends here


def moco_logits(q, k, queue, tau):
    """The logits of MoCo; the right class is 0 in every row.

    q         queries [B,D], which receive gradient
    k         their positive keys [B,D], which do not
    queue     negative keys [K,D], which do not either
    tau       temperature
    returns   [B,1+K]; q, k and queue are normalised row by row inside
    """
    # >>> your code starts here
    q = F.normalize(q, dim=1)
    k = F.normalize(k.detach(), dim=1)
    queue = F.normalize(queue.detach(), dim=1)
    positive = (q * k).sum(dim=1, keepdim=True)
    return torch.cat([q @ queue.T, positive], dim=1) / tau
    # <<< your code ends here
