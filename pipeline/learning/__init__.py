"""Learns from a team's decisions: thresholds of a policy, and a classifier that continues from the present one."""
