"""The pages that people see: sign-in, JupyterLab, Assignment List and formgrader."""

from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, FrameLocator, Locator, Page, expect

from tests.deployment import password
from tests.e2e.axe import is_accessible

OUTPUT = Path(__file__).resolve().parents[1] / "output"
PATIENCE = 30_000  # milliseconds; two busy cores start a server in ten seconds
CLICKS = 3  # by a patient person


def look(page: Page, name: str, *, whole: bool = False) -> None:
    """Keep a picture of what the person sees now, or of the whole page."""
    OUTPUT.mkdir(exist_ok=True)
    page.screenshot(path=OUTPUT / f"{name}.png", animations="disabled", full_page=whole)


@dataclass(frozen=True)
class SignIn:
    """The hub's sign-in page."""

    page: Page

    @classmethod
    def open(cls, browser: Browser, url: str, **device: object) -> "SignIn":
        """Come to the hub as somebody new, with a window of an ordinary size."""
        device.setdefault("viewport", {"width": 1440, "height": 900})
        context = browser.new_context(base_url=url, **device)  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.goto("/")
        return cls(page)

    def try_as(self, username: str, secret: str) -> None:
        """Fill in the form and send it."""
        self.page.get_by_label("Username:").fill(username)
        self.page.get_by_label("Password:").fill(secret)
        self.page.get_by_role("button", name="Sign in").click()

    def refuses(self, username: str, secret: str) -> None:
        """See that these do not get in."""
        self.try_as(username, secret)
        expect(self.page.get_by_text("Invalid username or password")).to_be_visible()

    def enter(self, username: str) -> "Lab":
        """Sign in and open one's own JupyterLab from the course page."""
        return self.arrive(username).open_lab(username)

    def arrive(self, username: str) -> "CoursePage":
        """Sign in and see the course page."""
        self.try_as(username, password(username))
        return CoursePage.arrive(self.page)


@dataclass(frozen=True)
class CoursePage:
    """The course page: what people see first."""

    page: Page

    @classmethod
    def arrive(cls, page: Page) -> "CoursePage":
        """Wait until it is there."""
        page.wait_for_url("**/services/course/**", timeout=PATIENCE)
        expect(page.get_by_role("link", name="Open JupyterLab")).to_be_visible()
        return cls(page)

    def press_open(self) -> None:
        """Ask for JupyterLab."""
        self.page.get_by_role("link", name="Open JupyterLab").click()

    def open_lab(self, username: str) -> "Lab":
        """Open one's own JupyterLab."""
        self.press_open()
        return Lab.arrive(self.page, username)

    def card(self, number: int) -> Locator:
        """What a student sees of an assignment."""
        return self.page.locator(f"#assignment_{number}")


@dataclass(frozen=True)
class Lab:
    """A person's JupyterLab."""

    page: Page

    @classmethod
    def arrive(cls, page: Page, username: str) -> "Lab":
        """Wait until JupyterLab is there."""
        page.wait_for_url(f"**/user/{username}/lab**", timeout=2 * PATIENCE)
        expect(page.get_by_role("menuitem", name="Nbgrader")).to_be_visible(timeout=PATIENCE)
        return cls(page)

    @property
    def dialog(self) -> Locator:
        """The dialog in front of everything."""
        return self.page.locator(".jp-Dialog")

    def open_menu(self, name: str) -> Locator:
        """Open a menu; return its entries."""
        self.page.get_by_role("menubar").get_by_role("menuitem", name=name, exact=True).click()
        return self.page.locator(".lm-Menu .lm-Menu-itemLabel")

    def choose(self, menu: str, entry: str) -> None:
        """Choose an entry of a menu."""
        self.open_menu(menu).get_by_text(entry, exact=True).click()

    def answer(self, button: str) -> None:
        """Answer the dialog with one of its buttons."""
        self.dialog.get_by_role("button", name=button).click()
        expect(self.dialog).to_have_count(0)

    def open_file(self, *path: str) -> None:
        """Open a file by double clicks through its folders, from where the file browser is."""
        for name in path:
            self.in_browser(name).dblclick()

    def in_browser(self, name: str) -> Locator:
        """A file or folder in the file browser."""
        return self.page.locator(".jp-DirListing-item").filter(has_text=name)

    def assignment_list(self) -> "AssignmentList":
        """Open the Assignment List."""
        self.choose("Nbgrader", "Assignment List")
        return AssignmentList(self)

    def formgrader(self) -> "Formgrader":
        """Open the formgrader."""
        self.choose("Nbgrader", "Formgrader")
        return Formgrader(self.page, self.page.frame_locator("iframe"))

    def visit(self, path: str) -> tuple[int, str]:
        """Type an address into a new tab; return the answer's status and text."""
        tab = self.page.context.new_page()
        answer = tab.goto(path)
        text = tab.locator("body").inner_text()
        tab.close()
        assert answer is not None, path
        return answer.status, text


@dataclass(frozen=True)
class AssignmentList:
    """nbgrader's Assignment List with the course's own lines in it."""

    lab: Lab

    @property
    def released(self) -> Locator:
        """What can be fetched."""
        return self.lab.page.locator("#released_assignments_list")

    @property
    def fetched(self) -> Locator:
        """What was fetched."""
        return self.lab.page.locator("#fetched_assignments_list")

    @property
    def submitted(self) -> Locator:
        """What was handed in."""
        return self.lab.page.locator("#submitted_assignments_list")

    def refresh(self) -> None:
        """Press the list's own button."""
        self.lab.page.locator("#refresh_assignments_list").click()

    def fetch(self, assignment: str = "assignment_1") -> None:
        """Fetch an assignment."""
        line = self.released.locator(".list_item").filter(has_text=assignment)
        line.get_by_role("button", name="Fetch").click()

    def submit(self, *, although: str = "", tests: str = "") -> None:
        """Submit it, although something is remarked that contains these words, if any are given.

        With `tests` the visible tests are run before, and tell this.
        """
        page = self.lab.page
        with page.expect_response(lambda answer: "coursehub/beforehand" in answer.url) as looked:
            self.fetched.get_by_role("button", name="Submit").click()
        assert looked.value.ok
        if although:
            remarks = page.get_by_role("dialog", name="Before you hand in")
            expect(remarks).to_contain_text(although)
            look(page, "student-beforehand")
            if tests:
                remarks.get_by_role("button", name="Run the visible tests").press("Enter")
                told = remarks.get_by_role("status", name="Visible tests")
                expect(told).to_be_focused()
                expect(remarks.get_by_role("button", name="Hand in anyway")).to_be_enabled()
                expect(told).to_contain_text(tests, timeout=5 * PATIENCE)
                look(page, "student-beforehand-tests")
                is_accessible(page, ".coursehub-beforehand")
            remarks.get_by_role("button", name="Hand in anyway").click()

    def unfold(self) -> Locator:
        """Show the assignment's notebook; return its line."""
        line = self.fetched.locator(".nested_list_item")
        if not line.is_visible():
            self.fetched.locator(".assignment-notebooks-link").click()
        return line

    def open(self, name: str) -> Locator:
        """Open the notebook of an assignment; return its panel.

        Chromium drops requests when the machine's addresses change, as they do whenever a
        container starts; JupyterLab then says so, and a person clicks again.
        """
        page = self.lab.page
        panel = page.locator(".jp-NotebookPanel .jp-MarkdownCell").first
        dropped = page.get_by_role("dialog").filter(has_text="Failed to fetch")
        for _ in range(CLICKS):
            self.unfold().get_by_role("link", name=name).click()
            expect(panel.or_(dropped)).to_be_visible(timeout=PATIENCE)
            if not dropped.is_visible():
                break
            dropped.get_by_role("button", name="Close").click()
        return page.locator(".jp-NotebookPanel")


@dataclass(frozen=True)
class Formgrader:
    """nbgrader's formgrader, in its frame inside JupyterLab."""

    page: Page
    frame: FrameLocator

    def row(self, name: str) -> Locator:
        """The line of an assignment or a student in the table."""
        return self.frame.locator("#main-table tr").filter(has_text=name)

    def press(self, row: Locator, column: str, *, patience: int = PATIENCE) -> None:
        """Press a button of a row, see that it succeeded, and close the message."""
        row.locator(f".{column} a").click()
        message = self.frame.locator(".modal.in")
        expect(message).to_contain_text("Successfully", timeout=patience)
        look(self.page, f"formgrader-{column}")
        message.get_by_role("button", name="OK").click()
        expect(message).to_have_count(0)

    def manage_submissions(self, assignment: str) -> None:
        """Go to what was collected of an assignment."""
        self.row(assignment).locator(".num-submissions a").click()
        expect(self.frame.get_by_text("Manage Submissions")).to_be_visible()

    def manual_grading(self, assignment: str) -> None:
        """Go to the first hand-in of an assignment of one notebook of the same name."""
        self.frame.get_by_role("link", name="Manual Grading", exact=True).click()
        place = self.frame.locator(".breadcrumb li")
        for depth in (1, 2):
            expect(place).to_have_count(depth)
            self.row(assignment).get_by_role("link", name=assignment).click()
        expect(place).to_have_count(3)
        # The page fills its fields when the grades have come, and with them what was typed before.
        with self.page.expect_response(lambda answer: "/api/grades" in answer.url):
            self.frame.get_by_role("link", name="Submission #1").click()
        expect(self.frame.locator(".nbgrader_cell").first).to_be_visible()

    def edits(self, assignment: str) -> None:
        """Go to the hand-ins of an assignment with edits outside the answers."""
        self.frame.get_by_role("link", name="Edits", exact=True).click()
        self.row(assignment).get_by_role("link", name=assignment).click()
        expect(self.frame.locator(".breadcrumb li")).to_have_count(2)

    def back_to_submissions(self, assignment: str) -> None:
        """Go from grading back to the list of hand-ins."""
        self.frame.get_by_role("link", name="Manual Grading", exact=True).click()
        self.frame.get_by_role("link", name="Manage Assignments", exact=True).click()
        self.manage_submissions(assignment)

    def grade(self, cell: str, points: str, comment: str = "") -> None:
        """Enter points and a comment and see that both are saved."""
        self._fill(f"#{cell}", points, saved_at="/api/grade/")
        if comment:
            self._fill(f"#{cell}-comment", comment, saved_at="/api/comment/")

    def _fill(self, field: str, text: str, *, saved_at: str) -> None:
        with self.page.expect_response(lambda answer: saved_at in answer.url) as saved:
            self.frame.locator(field).fill(text)
            self.frame.locator(field).press("Tab")
        assert saved.value.ok, field
