"""The bot in LiveKit rooms: it listens to each microphone, and carries out the actions of decisions and rules.

`room_bots.py` compares our bots with the server's list of rooms, `bot.py` is one room, `microphone.py` one microphone.
`livekit_webhooks.py` takes the server's hints. `room_enforcement.py` reads the review store and acts through
`moderation.py`.
"""
