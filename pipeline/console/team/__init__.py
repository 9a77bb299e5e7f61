"""Pages for leads and admins: people, quality, audit log, retention."""
