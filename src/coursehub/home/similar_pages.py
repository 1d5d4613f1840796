"""Staff's pages about hand-ins that are alike: the list, and two of them side by side."""

from typing import Any

from coursehub.home.similar import side_by_side
from coursehub.home.staff_pages import StaffHandler


class PairsHandler(StaffHandler):
    """The pairs of an assignment."""

    async def get(self, name: str) -> None:
        """Show those that nobody has looked at, and then the others."""
        assignment = self.course.assignment(name)
        self.show("similar.html", assignment=assignment, **await self.ask(self._found, name))

    def _found(self, name: str) -> dict[str, Any]:
        pairs = self.home.similar.pairs(name)
        return {
            "run": self.home.similar.run(name),
            "unseen": [pair for pair in pairs if not pair.seen_by],
            "seen": [pair for pair in pairs if pair.seen_by],
            "names": {each.username: each.name for each in self.home.staffroom.students()},
            "teams": self.home.staffroom.teams(),
        }


class PairHandler(StaffHandler):
    """Two hand-ins side by side."""

    async def get(self, name: str, key: str) -> None:
        """Show them."""
        assignment = self.course.assignment(name)
        pair = await self.ask(self.home.similar.pair, name, key)
        names = await self.ask(self._names, pair)
        self.show(
            "similar_pair.html", assignment=assignment, pair=pair, names=names,
            teams=await self.ask(self.home.staffroom.teams), parts=list(side_by_side(pair.parts)),
        )  # fmt: skip

    async def post(self, name: str, key: str) -> None:
        """Note that somebody has looked at them."""
        remark = self.get_body_argument("remark", "")
        who = self.person.username
        await self.ask(self.home.similar.mark_seen, name, key, remark, who, self.now)
        self.go(f"staff/assignments/{name}/similar?did_now=looked")

    def _names(self, pair: Any) -> dict[str, str]:
        known = [pair.one] if pair.earlier else [pair.one, pair.other]
        return {username: self.home.staffroom.name(username) for username in known}
