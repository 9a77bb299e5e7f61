"""What is heard besides words."""
