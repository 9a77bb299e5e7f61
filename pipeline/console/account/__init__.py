"""Pages of one person: sign-in, account, wellness."""
