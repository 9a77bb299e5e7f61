"""The parts that move speech between stages: Faust agents, the gateway and the command line."""
