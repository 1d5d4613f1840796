def ema_update_(target, online, m):
    """Move the target network's parameters towards the online ones, in place; copy the buffers.

    target   module to change; its tensors stay the same objects and out of any graph
    online   module of the same structure; not changed
    m        momentum in [0,1]: 1 keeps the target's parameters, 0 copies the online ones
    returns  None
    """
    # >>> your code starts here
    learnt = {name for name, _ in online.named_parameters()}
    mine, theirs = target.state_dict(), online.state_dict()
    for name, value in theirs.items():
        mine[name].copy_(m * mine[name] + (1 - m) * value if name in learnt else value)
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
        stored = self.rows[self.K - self.count :]
        stored = torch.cat([stored, keys.detach().cpu()])[-self.K :]
        self.count = len(stored)
        self.rows[self.K - self.count :] = stored
        # <<< your code ends here

    def features(self):
        """Return the stored keys [count,D], in any order, without gradient."""
        # >>> your code starts here
        return self.rows[self.K - self.count :].clone()
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
    unit = lambda v: torch.nn.functional.normalize(v, dim=-1)
    keys = torch.cat([k[:, None], queue.expand(len(q), *queue.shape)], dim=1).detach()
    return (unit(keys) * unit(q)[:, None]).sum(-1) / tau
    # <<< your code ends here
