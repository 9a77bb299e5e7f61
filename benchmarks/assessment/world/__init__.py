"""Two simulated weeks of rooms, moderators, users and an app, played through the real review store.

Every change goes through the product's own functions, in the order of a simulated clock. Beside it, the world notes
what happened (`facts.py`). It also predicts what the store does with each flag, and stops if the store does otherwise.
"""
