"""What is done to speech: one stage a folder, one idea a file, no framework."""
