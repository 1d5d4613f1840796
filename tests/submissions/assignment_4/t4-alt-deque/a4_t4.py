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
    from collections import deque

    rng, history = random.Random(seed), []

    def evaluate(arch):
        history.append((arch, fitness(arch)))
        return history[-1]

    population = deque(maxlen=pop)
    for _ in range(pop):
        population.append(evaluate(tuple(rng.choices(ops, k=n_edges))))
    for _ in range(budget - pop):
        candidates = rng.sample(list(population), sample)
        child = list(sorted(candidates, key=lambda c: c[1])[-1][0])
        place = rng.randrange(n_edges)
        child[place] = rng.choice([o for o in ops if o != child[place]])
        population.append(evaluate(tuple(child)))
    best = history[0]
    for each in history:
        if each[1] > best[1]:
            best = each
    return best[0], history
    # <<< your code ends here
