def regularized_evolution(ops, n_edges, fitness, budget, pop, sample, seed):
    """Search by evolution in which the oldest dies.

    ops        names of the operations, a tuple
    n_edges    an architecture is a tuple of n_edges names
    fitness    function of an architecture that returns a number; larger is better
    budget     number of evaluations, at least pop
    pop        size of the population
    sample     number of members from which the parent is chosen, at most pop
    seed       seed of all random choices
    returns    (best architecture, history): history is the list of all (architecture, fitness), in
               the order of evaluation
    """
    # >>> your code starts here
    rng = random.Random(seed)
    population, history = [], []
    while len(history) < budget:
        if len(population) < pop:
            arch = tuple(rng.choice(ops) for _ in range(n_edges))
        else:
            parent = max(population, key=lambda member: member[1])[0]
            edge = rng.randrange(n_edges)
            new = rng.choice([op for op in ops if op != parent[edge]])
            arch = (*parent[:edge], new, *parent[edge + 1 :])
            population.pop(0)
        history.append((arch, fitness(arch)))
        population.append(history[-1])
    return max(history, key=lambda member: member[1])[0], history
    # <<< your code ends here
