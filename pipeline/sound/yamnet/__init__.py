"""Screams, moans, crying and shots, heard by YAMNet: a network that users download."""
