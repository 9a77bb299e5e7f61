"""The true figures of a window, computed from the facts of a simulated world in plain Python.

Nothing here reads the store or calls the code that computes the indicators. The formulas are those of the catalogue
(`pipeline/assessment/catalogue.yaml`). Shares and probabilities are exact fractions.
"""
