"""The hub's figures for Prometheus beside JupyterHub's own, and who may read them."""

from typing import Any

from jupyterhub.app import JupyterHub
from jupyterhub.metrics import SERVER_SPAWN_DURATION_SECONDS, ServerSpawnStatus
from prometheus_client import Gauge

from coursehub.hub.clock import Beat
from coursehub.hub.failures import NOT_STARTED
from coursehub.hub.gpus import GpuPool
from coursehub.settings import Settings

SERVICE = "metrics"

PLACES = Gauge("coursehub_gpu_places", "Servers that can have a GPU at once")
WAITING = Gauge("coursehub_gpu_waiting", "Those who wait for a GPU, the grader among them")
LENT = Gauge("coursehub_gpu_lent", "Places that are lent of each device", ["device"])

# Counted from zero: what appears with its first failure has not increased yet.
SERVER_SPAWN_DURATION_SECONDS.labels(status=ServerSpawnStatus.failure, reason=NOT_STARTED)


def metrics_service(settings: Settings) -> dict[str, Any]:
    """Prometheus for `c.JupyterHub.services`: a token, and nothing that runs."""
    token = settings.secret("metrics_token")
    return {"name": SERVICE, "display": False, "api_token": token}


def metrics_role() -> dict[str, Any]:
    """Its rights for `c.JupyterHub.load_roles`: the figures, and nothing about people."""
    return {"name": SERVICE, "scopes": ["read:metrics"], "services": [SERVICE]}


def tell_gpus(pool: GpuPool) -> Beat:
    """A beat that puts the pool's figures, by its last look, where /hub/metrics finds them."""

    async def beat(hub: JupyterHub) -> None:
        PLACES.set(pool.places)
        WAITING.set(pool.waiting)
        for name, lent in pool.lent().items():
            LENT.labels(name).set(lent)

    return beat
