"""A crowd of simulated servers around a real hub: what `bench.scaling` measures with.

The hub is the deployed form's own, with its real spawner, clock, culler and PostgreSQL, and the
real proxy. Simulated are the Docker engine (`engine`) and the servers in its containers
(`servers`): one process for all of them, which the hub cannot tell from thousands.
"""
