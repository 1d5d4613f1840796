"""A site of the tests' own: this checkout, with an assignment 1 that is graded in half the time."""

from pathlib import Path

import nbformat

from coursehub.grading.handin import read_notebook
from coursehub.settings import CHECKOUT

ASSIGNMENT = "assignment_1"
SHOWING = ("_demo", "_large")
"""How the ids of cells end that only show what answers do."""
TRAINING = ("a1_t4_test_4", "a1_t5_test_4")
"""Test cells that train a model with an answer; others look at the same answers."""
FIGURE = """# Your figure
# >>> your code starts here
### BEGIN SOLUTION
plt.plot([0, 1], [1, 0])
plt.show()
### END SOLUTION
# <<< your code ends here"""


def quick_site(site: Path) -> Path:
    """Make a site whose assignment 1 is the course's own, but for what takes long.

    It has all tasks, answers and points, and nearly all tests. Cells that train a model are not
    there, nor are those that show what an answer does, and the figure is a line.

    Args:
        site: the folder to make.

    Returns:
        It.
    """
    source = site / "source" / ASSIGNMENT
    source.mkdir(parents=True)
    for path in CHECKOUT.iterdir():
        if path.name != "source":
            (site / path.name).symlink_to(path)
    notebook = read_notebook(CHECKOUT / "source" / ASSIGNMENT)
    kept = []
    for cell in notebook.cells:
        if cell.id in TRAINING:  # the task stays worth what it is
            before = next(each for each in reversed(kept) if each.metadata.nbgrader.grade)
            before.metadata.nbgrader.points += cell.metadata.nbgrader.points
        elif not cell.id.endswith(SHOWING):
            kept.append(cell)
    notebook.cells = kept
    next(cell for cell in notebook.cells if cell.id == "a1_plot").source = FIGURE
    nbformat.write(notebook, source / f"{ASSIGNMENT}.ipynb")
    return site
