"""The bot in LiveKit rooms: it listens to each microphone, and carries out the actions of decisions and rules.

`rooms.py` compares our bots with the server's list of rooms, `bot.py` is one room, `track.py` one microphone.
`webhooks.py` takes the server's hints. `actor.py` reads the review store and acts through `moderation.py`.
"""
