def compute_gae(rewards, values, dones, gamma, lam):
    """Generalised advantage estimation over a rollout.

    rewards   [T,N] reward of step t in copy n
    values    [T+1,N] V of the observations before each step, and of the last one
    dones     [T,N] 1.0 where an episode ended with step t, else 0.0; same dtype as rewards
    gamma     discount factor
    lam       0: one-step errors, 1: Monte-Carlo returns
    returns   (advantages [T,N], returns [T,N]), new tensors; the arguments are not changed
    """
    # >>> your code starts here
    returns, tail = [], values[-1]
    for t in range(len(rewards) - 1, -1, -1):
        # the lambda-return: a mixture of the next value and the next return
        mixed = (1 - lam) * values[t + 1] + lam * tail
        tail = rewards[t] + gamma * torch.where(dones[t] > 0, torch.zeros_like(mixed), mixed)
        returns.insert(0, tail)
    returns = torch.stack(returns)
    return returns - values[:-1], returns
    # <<< your code ends here
