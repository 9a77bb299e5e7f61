"""Sounds that the listener recognises by themselves, without a bank: howl, clipping, loudness, music."""
