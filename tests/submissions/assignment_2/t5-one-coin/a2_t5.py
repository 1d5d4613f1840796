def epsilon_at(step, config):
    """The exploration rate after `step` steps of single copies.

    config    with eps_end, the final rate, and eps_steps, the step at which it is reached
    returns   float: 1.0 at step 0, then on a straight line, constant from eps_steps on
    """
    # >>> your code starts here
    progress = min(step / config["eps_steps"], 1.0)
    return 1.0 + progress * (config["eps_end"] - 1.0)
    # <<< your code ends here


def act(q, obs, epsilon, rng):
    """Choose an action for each copy, epsilon-greedily.

    q         network: float32 tensors [N,obs_dim] to action values [N,A]
    obs       numpy array [N,obs_dim]
    epsilon   probability that a copy takes a uniformly random action
    rng       numpy Generator, the only source of randomness
    returns   numpy array [N] of integers
    """
    # >>> your code starts here
    with torch.no_grad():
        values = q(torch.as_tensor(obs))
    n, actions = values.shape
    explore = rng.random() < epsilon
    return np.where(explore, rng.integers(actions, size=n), values.argmax(dim=1).numpy())
    # <<< your code ends here


def train_dqn(make_env, config, seed, buffer_class, loss_function):
    """Deep Q-learning in a vector environment.

    make_env        function without arguments that returns the environment
    config          dictionary like DQN_CONFIG
    seed            of networks, exploration, buffer and environment
    buffer_class    buffer_class(capacity, obs_dim, seed) makes a buffer as in Task 2
    loss_function   loss_function(q, q_target, batch, gamma, double) as in Task 3
    returns         (q, log); log["epsilon"] has the exploration rate of every round
    """
    # >>> your code starts here
    env = make_env()
    obs_dim, actions = env.single_observation_space.shape[0], int(env.single_action_space.n)
    torch.manual_seed(seed)
    q, q_target = new_mlp(obs_dim, actions), new_mlp(obs_dim, actions)
    q_target.load_state_dict(q.state_dict())
    opt = torch.optim.Adam(q.parameters(), lr=config["lr"])
    buffer = buffer_class(config["capacity"], obs_dim, seed)
    rng = np.random.default_rng(seed)
    log = {"epsilon": []}
    updates = 0
    obs, _ = env.reset(seed=seed)
    ended = np.zeros(env.num_envs, dtype=bool)  # copies whose episode ended in the round before
    for step in range(0, config["env_steps"], env.num_envs):
        epsilon = epsilon_at(step, config)
        log["epsilon"].append(epsilon)
        action = act(q, obs, epsilon, rng)
        next_obs, reward, terminated, truncated, _ = env.step(action)
        real = ~ended
        buffer.add(obs[real], action[real], reward[real], next_obs[real], terminated[real])
        if len(buffer) >= config["warmup"]:
            for _ in range(config["updates"]):
                batch = buffer.sample(config["batch"])
                loss = loss_function(q, q_target, batch, config["gamma"], config["double"])
                opt.zero_grad()
                loss.backward()
                opt.step()
                updates += 1
                if updates % config["sync"] == 0:
                    q_target.load_state_dict(q.state_dict())
        ended = terminated | truncated
        obs = next_obs
    return q, log
    # <<< your code ends here
