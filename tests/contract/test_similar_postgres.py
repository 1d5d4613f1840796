"""Similar hand-ins in PostgreSQL: each service under its own role."""

from datetime import UTC, datetime
from threading import Thread

from coursehub import journal
from coursehub.exchange import migrations
from coursehub.exchange.database import connect
from coursehub.similarity.compare import Comparison, Pair, Part, Region
from coursehub.similarity.table import Run, Similarities
from tests.postgres import Postgres

NOW = datetime(2021, 2, 6, 12, tzinfo=UTC)
PART = Part("a1_t1", "x = 'é'\N{GRINNING FACE}", "\ty", (Region(0, 1, 1, 2),))
PAIR = Pair("0" * 20, "alice", "bob", "", 0.5, 0.75, 99, (PART,))


def test_the_grader_replaces_what_staff_have_looked_at(postgres: Postgres) -> None:
    database = postgres.database("course")
    owner = connect(postgres.url("course", database))
    migrations.upgrade(owner)
    grader = Similarities(connect(postgres.url("grader", database)))
    service = Similarities(owner)
    run, comparison = Run(NOW, "basis", 2, {"/srv/2020": 3}), Comparison((PAIR,), 7, 5)

    # A command in the grader's shell and the clock may come to it at the same time.
    both = [Thread(target=grader.replace, args=("assignment_1", run, comparison)) for _ in "12"]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert grader.run("assignment_1") == Run(NOW, "basis", 2, {"/srv/2020": 3}, 5, 7)
    [found] = service.pairs("assignment_1")
    assert (found.one, found.other, found.share, found.seen_by) == ("alice", "bob", 0.5, None)
    service.mark_seen("assignment_1", found.key, "looked", "tara", NOW)
    grader.replace("assignment_1", run, comparison)
    again = service.pair("assignment_1", found.key)
    assert (again.seen_by, again.seen_at, again.remark) == ("tara", NOW, "looked")
    [part] = again.parts
    assert (part["text"], part["regions"]) == (PART.text, [[0, 1, 1, 2]])
    assert [entry.who for entry in journal.entries(owner, about="alice")] == ["tara"]
    grader.replace("assignment_1", run, Comparison((), 0, 5))
    assert service.pairs("assignment_1") == []
