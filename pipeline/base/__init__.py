"""Parts that know nothing of speech: errors, metrics, logs, HTTP, files."""
