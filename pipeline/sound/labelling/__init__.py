"""The labels of speech that AI made: GB 45438-2025, Cybersecurity technology, in force since 1 September 2025.

An explicit label can be heard (5.3): the Morse rhythm of "AI" (short, long, short, short), or a spoken notice. An
implicit label is a field `AIGC` in the metadata of the file (Annex E).
"""
