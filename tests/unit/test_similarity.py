"""What makes two hand-ins alike, and what hides or feigns nothing."""

import ast
import re
import textwrap
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coursehub.similarity.compare import COMMON_FEWEST, Comparison, compare
from coursehub.similarity.document import WINDOW, HandIn, K, Text
from coursehub.similarity.tokens import tokens_of
from coursehub.similarity.winnow import fingerprints, hashes_of

ATTACK = """
x_adv = x.clone().detach()
for step in range(steps):
    x_adv.requires_grad_(True)
    loss = F.cross_entropy(model(x_adv), y)
    grad = torch.autograd.grad(loss, x_adv)[0]
    x_adv = x_adv.detach() + alpha * grad.sign()
    delta = torch.clamp(x_adv - x, -eps, eps)
    x_adv = torch.clamp(x + delta, 0.0, 1.0)  # stay an image
history = {"steps": [], "loss": 0.5}
return x_adv if keep else x_adv.detach()
"""
OTHER = """
def project(delta):
    return delta.renorm(p=2, dim=0, maxnorm=eps)
lower, upper = (x - eps).relu(), (x + eps).clip(max=1)
current = torch.empty_like(x).uniform_(-eps, eps).add(x)
while steps > 0:
    steps -= 1
    current = current.detach().requires_grad_()
    model(current).log_softmax(1).gather(1, y[:, None]).neg().mean().backward()
    current = torch.min(torch.max(current + alpha * current.grad.sign(), lower), upper)
return current.detach()
"""
STUB = "# YOUR CODE HERE\nraise NotImplementedError()"
GIVEN = "def attack(model, x, y, eps, alpha, steps):\n" + "\n".join(
    f"    value_{i} = helper(x, {i}) + torch.ones({i}, 3)" for i in range(20)
)

NAMES = st.from_regex(r"[a-z]{1,8}_[a-z]{1,3}", fullmatch=True)


def hand_in(who: str, answers: Mapping[str, str] | str, **about: object) -> HandIn:
    texts = {"a1_t1": answers} if isinstance(answers, str) else answers
    known_as = frozenset({who})
    return HandIn(who, {n: Text(t) for n, t in texts.items()}, known_as=known_as, **about)


def between(*answers: str, released: tuple[str, ...] = (STUB, GIVEN)) -> Comparison:
    hand_ins = [hand_in(f"student{number}", each) for number, each in enumerate(answers)]
    return compare(hand_ins, [Text(each) for each in released])


def disguised(text: str, names: Mapping[str, str], indent: str, remark: str) -> str:
    """The same program with other names, layout, remarks and strings."""
    lines = []
    for line in text.strip("\n").split("\n"):
        inner = len(line) - len(line.lstrip())
        code = re.sub(
            r"(?<![.\w])[a-z_]\w*", lambda found: names.get(found[0], found[0]), line.strip()
        )
        code = re.sub(r"\s*([-+*,])\s*", rf"{indent[:1]}\1  ", code.split("  #")[0])
        lines += [indent * (inner // 4) + code + f"  # {remark}", ""]
    return "\n".join(lines).replace('"steps"', "'all of them'")


# --- the algorithm ------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 5), max_size=120), st.integers(1, 8), st.integers(1, 8))
def test_of_every_window_of_hashes_one_is_kept(codes: list[int], k: int, window: int) -> None:
    hashes = list(hashes_of(codes, k))
    kept = fingerprints(codes, k, window)
    assert len(hashes) == max(0, len(codes) - k + 1)
    assert all(hashes[place] == value for value, place in kept)
    places = {place for _, place in kept}
    for start in range(max(1, len(hashes) - window + 1) if hashes else 0):
        inside = range(start, min(start + window, len(hashes)))
        assert places & set(inside)
        assert min(hashes[place] for place in inside) in {hashes[p] for p in places & set(inside)}


@given(st.lists(st.integers(1, 9)), st.lists(st.integers(1, 9)), st.lists(st.integers(1, 9)))
def test_no_long_common_run_goes_unseen(
    before: list[int], after: list[int], seed: list[int]
) -> None:
    run = [*seed, *range(100, 100 + K + WINDOW - 1)]
    one = fingerprints(before + run, K, WINDOW)
    other = fingerprints(run + after, K, WINDOW)
    assert {value for value, _ in one} & {value for value, _ in other}


@given(st.text(max_size=300))
@settings(max_examples=50, deadline=None)
def test_whatever_is_written_its_tokens_lie_in_it_in_order(text: str) -> None:
    for prose in (False, True):
        tokens = tokens_of(text, prose=prose)
        ends = [0, *(token.end for token in tokens)]
        assert all(end <= token.start < token.end for end, token in zip(ends, tokens, strict=False))
        assert ends[-1] <= len(text)


# --- what is alike ------------------------------------------------------------------------------


@given(st.lists(NAMES, min_size=8, max_size=8, unique=True), st.sampled_from(["  ", "\t"]), NAMES)
@settings(max_examples=20, deadline=None)
def test_names_layout_and_remarks_hide_no_copy(names: list[str], indent: str, remark: str) -> None:
    own = ("x_adv", "step", "loss", "grad", "delta", "history", "keep", "alpha")
    copy = disguised(ATTACK, dict(zip(own, names, strict=True)), indent, remark)
    ast.parse(f"def f():\n{textwrap.indent(copy, indent)}")  # it is still Python
    [pair] = between(ATTACK, copy).pairs
    assert pair.share == pair.other_share == 1.0
    [part] = pair.parts
    [(start, end, other_start, other_end)] = part.regions
    assert part.text[start:end].startswith("x_adv = ")
    assert part.other[other_start:other_end].startswith(f"{names[0]} = ")


def test_two_solutions_of_ones_own_are_not_listed() -> None:
    assert between(ATTACK, OTHER).pairs == ()


@pytest.mark.parametrize("answer", [STUB, GIVEN, f"{GIVEN}\n{STUB}", ""])
def test_what_students_were_given_is_never_a_match(answer: str) -> None:
    assert between(answer, answer).pairs == ()


@given(st.permutations(range(3)))
def test_who_comes_first_changes_nothing(order: list[int]) -> None:
    texts = (ATTACK, ATTACK.replace("alpha", "a") + OTHER, OTHER)
    hand_ins = [hand_in(f"s{number}", text) for number, text in enumerate(texts)]
    found = compare([hand_ins[number] for number in order], [])
    shares = {}
    for pair in found.pairs:
        shares[pair.one, pair.other] = round(pair.share, 9)
        shares[pair.other, pair.one] = round(pair.other_share, 9)
    assert set(shares) == {("s0", "s1"), ("s1", "s0"), ("s2", "s1"), ("s1", "s2")}
    assert shares["s0", "s1"] > 0.95 and shares["s1", "s0"] < 0.6


def test_what_many_wrote_alike_does_not_count() -> None:
    """Otherwise a short answer that everybody writes the same would fill the list."""
    many = [f"{ATTACK}\nmine_{n} = {n}" for n in range(COMMON_FEWEST + 1)]
    assert between(*many, OTHER).pairs == ()
    few = many[:COMMON_FEWEST]
    assert len(between(*few, OTHER).pairs) == COMMON_FEWEST * (COMMON_FEWEST - 1) // 2


def test_a_whole_hand_in_that_many_copied_is_listed_though_its_parts_are_common() -> None:
    many = [{"a1_t1": ATTACK, "a1_t2": OTHER}] * (COMMON_FEWEST + 2)
    hand_ins = [hand_in(f"s{number}", each) for number, each in enumerate(many)]
    found = compare(hand_ins, [Text(STUB)])
    assert len(found.pairs) == 21
    assert all(pair.whole and pair.share == 1.0 for pair in found.pairs)


def test_a_copy_in_another_task_is_none() -> None:
    """A test calls a task's own function: what is alike is compared task by task."""
    hand_ins = [hand_in("a", {"a1_t1": ATTACK}), hand_in("b", {"a1_t2": ATTACK})]
    assert compare(hand_ins, []).pairs == ()


def test_earlier_hand_ins_are_compared_with_this_terms_alone() -> None:
    now = hand_in("alice", ATTACK)
    then = [hand_in(f"{name} 2020", ATTACK, earlier="2020") for name in ("a", "b")]
    found = compare([then[0], now, then[1]], []).pairs
    assert [(pair.one, pair.other, pair.earlier) for pair in found] == [
        ("alice", f"{name} 2020", "2020") for name in ("a", "b")
    ] or {pair.other for pair in found} == {"a 2020", "b 2020"}
    assert all(pair.one == "alice" for pair in found) and len(found) == 2


def test_nobody_is_compared_with_what_they_handed_in_a_year_ago() -> None:
    now = HandIn("alice", {"a1_t1": Text(ATTACK)}, known_as=frozenset({"alice", "a0100000j"}))
    then = HandIn("a0100000J Wang", {"a1_t1": Text(ATTACK)}, "2020", frozenset({"a0100000j"}))
    assert compare([now, then], []).pairs == ()


def test_a_written_answer_is_compared_by_its_words() -> None:
    said = "The gradient of the loss points where the loss grows fastest, so that its sign is the "
    said += "steepest direction in the maximum norm; a step along it of length epsilon reaches the "
    said += "corner of the box in which the linear part of the loss is largest, which is why one "
    said += "step is enough for a model that is nearly linear around the image that it is given."
    other = " ".join(f"word{number}" for number in range(120))
    texts = (said, said.upper().replace(",", ";\n"), other)
    hand_ins = [HandIn(str(n), {"w": Text(text, prose=True)}) for n, text in enumerate(texts)]
    hand_ins = [HandIn(e.who, e.answers, "", frozenset({e.who})) for e in hand_ins]
    [pair] = compare(hand_ins, []).pairs
    assert (pair.one, pair.other) == ("0", "1")


@pytest.mark.timeout(200)
@pytest.mark.parametrize(
    "text",
    ["x+" * 9_999, "(" * 20_000, "f'{" * 6_666, '"""' * 6_666, "\\\n" * 9_999, "\0\ud800" * 9_000,
     "".join(f"v{i % 8}.w{i % 7}({i % 5})\n" for i in range(2_000))],
)  # fmt: skip
def test_a_hostile_text_takes_no_time(text: str) -> None:
    assert between(text, text + "y").more == 0
