"""Odd inputs for every form in which the command line takes input."""
