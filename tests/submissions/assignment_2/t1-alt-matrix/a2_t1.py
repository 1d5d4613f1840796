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
    T = len(rewards)
    delta = rewards + gamma * (1 - dones) * values[1:] - values[:-1]
    alive = torch.ones(T, T, *rewards.shape[1:], dtype=rewards.dtype, device=rewards.device)
    for t in range(T):
        for s in range(T):
            if s < t:
                alive[t, s] = 0
            elif s > t:
                alive[t, s] = alive[t, s - 1] * gamma * lam * (1 - dones[s - 1])
    advantages = (alive * delta).sum(dim=1)
    return advantages, advantages + values[:-1]
    # <<< your code ends here
