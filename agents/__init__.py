"""What carries speech through the stages: Faust agents, the gateway, the command line."""
