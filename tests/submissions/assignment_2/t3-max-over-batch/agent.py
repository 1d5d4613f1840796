"""Assignment 2, tasks 2 and 3: a replay buffer and the targets of (double) Q-learning.

The notebook assignment_2.ipynb explains both tasks and tests this file; hand in both. Write between
the marked lines only. The file is imported anew by every test, so save it before you run one.
"""

import numpy as np
import torch
import torch.nn.functional as F


class ReplayBuffer:
    """A memory of the latest `capacity` transitions, sampled uniformly with replacement.

    Transitions come in batches, one row an environment. When the memory is full, the oldest ones
    make room.
    """

    def __init__(self, capacity, obs_dim, seed):
        """Make an empty buffer.

        capacity  most transitions that it holds
        obs_dim   numbers in one observation
        seed      of the generator of the buffer's own that `sample` draws from
        """
        # >>> your code starts here
        self.capacity = capacity
        self.obs = torch.zeros(capacity, obs_dim)
        self.next_obs = torch.zeros(capacity, obs_dim)
        self.action = torch.zeros(capacity, dtype=torch.int64)
        self.reward = torch.zeros(capacity)
        self.terminated = torch.zeros(capacity)
        self.count = 0
        self.generator = torch.Generator().manual_seed(seed)
        # <<< your code ends here

    def add(self, obs, action, reward, next_obs, terminated):
        """Store k transitions, 0 <= k <= capacity, in the order of their rows.

        obs, next_obs   arrays [k,obs_dim]
        action          integers [k]
        reward          numbers [k]
        terminated      booleans [k]

        All are numpy arrays as an environment returns them. The caller may overwrite them later.
        """
        # >>> your code starts here
        slots = (self.count + torch.arange(len(action))) % self.capacity
        self.obs[slots] = torch.as_tensor(obs, dtype=torch.float32)
        self.next_obs[slots] = torch.as_tensor(next_obs, dtype=torch.float32)
        self.action[slots] = torch.as_tensor(action, dtype=torch.int64)
        self.reward[slots] = torch.as_tensor(reward, dtype=torch.float32)
        self.terminated[slots] = torch.as_tensor(terminated, dtype=torch.float32)
        self.count += len(action)
        # <<< your code ends here

    def __len__(self):
        """Return how many transitions are stored now."""
        # >>> your code starts here
        return min(self.count, self.capacity)
        # <<< your code ends here

    def sample(self, n):
        """Draw n transitions independently and uniformly from those stored.

        returns   dict of tensors: obs, next_obs [n,obs_dim] float32; action [n] int64; reward [n]
                  float32; terminated [n] float32, 1.0 where the episode terminated, else 0.0
        """
        # >>> your code starts here
        rows = torch.randint(len(self), (n,), generator=self.generator)
        return {
            "obs": self.obs[rows],
            "action": self.action[rows],
            "reward": self.reward[rows],
            "next_obs": self.next_obs[rows],
            "terminated": self.terminated[rows],
        }
        # <<< your code ends here


def td_target(q, q_target, batch, gamma, double):
    """Return the values that Q-learning moves towards.

    q, q_target   networks: observations [B,obs_dim] to action values [B,A]
    batch         as ReplayBuffer.sample returns it
    gamma         discount factor
    double        True: q chooses the next action and q_target values it; False: q_target does both
    returns       tensor [B] without a graph
    """
    # >>> your code starts here
    with torch.no_grad():
        values = q_target(batch["next_obs"])
        chooser = q(batch["next_obs"]) if double else values
        best = chooser.argmax(dim=0)
        future = values[best].mean(dim=1).mean().expand(len(values))
        return batch["reward"] + gamma * (1 - batch["terminated"]) * future
    # <<< your code ends here


def td_loss(q, q_target, batch, gamma, double):
    """Return the mean Huber loss (threshold 1) between Q(s,a) of the actions taken and td_target.

    Arguments as in td_target. Gradients flow into q alone, and there through Q(s,a) alone.

    returns   scalar tensor
    """
    # >>> your code starts here
    taken = q(batch["obs"]).gather(1, batch["action"].unsqueeze(1)).squeeze(1)
    return F.huber_loss(taken, td_target(q, q_target, batch, gamma, double))
    # <<< your code ends here
