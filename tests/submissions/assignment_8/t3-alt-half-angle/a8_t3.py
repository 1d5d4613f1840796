def lr_at(step, total, warmup, base_lr, batch, ref_batch, rule):
    """The learning rate of a step.

    step        0 for the first
    total       steps of the whole run; from there on the rate is 0
    warmup      steps of warm-up, 0 <= warmup < total
    base_lr     the rate that suits batches of ref_batch rows
    batch       rows of a batch
    rule        "linear" or "sqrt": how the peak grows with batch / ref_batch
    returns     float
    raises      ValueError for another rule
    """
    # >>> your code starts here
    if rule not in ("linear", "sqrt"):
        raise ValueError(f"rule is 'linear' or 'sqrt', not {rule!r}")
    ratio = batch / ref_batch
    peak = base_lr * {"linear": ratio, "sqrt": math.sqrt(ratio)}[rule]
    if step < warmup:
        return peak * (step + 1) / warmup
    if step >= total:
        return 0.0
    return peak * math.cos(math.pi / 2 * (step - warmup) / (total - warmup)) ** 2
    # <<< your code ends here
