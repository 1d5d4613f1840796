"""One file a step. `if_not_exists`: the embedded form makes missing tables by itself."""
