"""An LMS for tests: it speaks LTI 1.3 over HTTP, with real keys, and is strict."""
