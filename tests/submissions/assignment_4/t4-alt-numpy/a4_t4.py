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
    rng = np.random.default_rng(seed)
    codes, values = [], []
    for number in range(budget):
        if number < pop:
            code = rng.integers(len(ops), size=n_edges)
        else:
            drawn = number - pop + rng.permutation(pop)[:sample]
            code = codes[max(drawn, key=lambda i: values[i])].copy()
            place = rng.integers(n_edges)
            code[place] = (code[place] + rng.integers(1, len(ops))) % len(ops)
        codes.append(code)
        values.append(fitness(tuple(ops[c] for c in code)))
    history = [(tuple(ops[c] for c in code), v) for code, v in zip(codes, values)]
    return history[int(np.argmax(values))][0], history
    # <<< your code ends here
