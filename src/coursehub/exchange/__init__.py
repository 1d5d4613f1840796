"""The exchange: fetch, submit and feedback over HTTP, in the layout of nbgrader's own exchange."""
