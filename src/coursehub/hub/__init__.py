"""What `hub/jupyterhub_config.py` calls: sign-in, rights, servers."""
