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
    advantages = torch.zeros_like(rewards)
    following = torch.zeros_like(values[0])
    for t in reversed(range(len(rewards))):
        going_on = 1 - dones[t]
        delta = rewards[t] + gamma * going_on * values[t] - values[t]
        following = delta + gamma * lam * going_on * following
        advantages[t] = following
    return advantages, advantages + values[:-1]
    # <<< your code ends here
