"""Pages on which moderators find and decide cases."""
