"""What runs inside a user's JupyterLab."""
