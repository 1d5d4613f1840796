"""Several versions of the deployed form's images on one engine, made from those that are there."""

import io
import os
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import docker
from alembic.script import ScriptDirectory

from coursehub.exchange import migrations
from tests.images import PARTS

BUILT = os.environ.get("IMAGE_TAG", "latest")
SITE_PACKAGES = "/opt/coursehub/venv/lib/python3.11/site-packages/coursehub"
SERVICES = ("hub", "course", "grader")

STEP = '''"""What the next version adds."""

from alembic import op
from sqlalchemy import Column, Integer

revision = "{revision}"
down_revision = "{before}"


def upgrade() -> None:
    """Make the table."""
    op.create_table("added", Column("number", Integer, primary_key=True), if_not_exists=True)
    {more}
'''
BACK = '''

def downgrade() -> None:
    """Keep it."""
'''


@contextmanager
def tagged(engine: docker.DockerClient, *tags: str) -> Iterator[None]:
    """All images under other tags too, which are gone afterwards."""
    try:
        for tag in tags:
            for part in PARTS:
                engine.images.get(f"coursehub/{part}:{BUILT}").tag(f"coursehub/{part}", tag)
        yield
    finally:
        for tag in tags:
            for part in PARTS:
                engine.images.remove(f"coursehub/{part}:{tag}", force=True)


def head() -> str:
    """The newest revision of the course database that this checkout knows."""
    script = ScriptDirectory(migrations.__path__[0])
    return str(script.get_current_head())


def next_step(more: str = "pass", back: str = BACK) -> dict[str, str]:
    """A step of the course database that comes next, as `with_files` wants it.

    Args:
        more: what it does besides making a table.
        back: the way back's text.
    """
    revision = f"{int(head()) + 1:04}"
    text = STEP.format(revision=revision, before=head(), more=more) + back
    return {f"exchange/migrations/versions/{revision}_added.py": text}


def with_files(engine: docker.DockerClient, tag: str, files: Mapping[str, str]) -> None:
    """Let the three services' images of `tag` have these files of the package too.

    Args:
        engine: where.
        tag: under which the images are already.
        files: texts by path below the package `coursehub`.
    """
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, text in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    for part in SERVICES:
        container = engine.containers.create(f"coursehub/{part}:{tag}")
        container.put_archive(SITE_PACKAGES, archive.getvalue())
        container.commit(f"coursehub/{part}", tag)
        container.remove()
