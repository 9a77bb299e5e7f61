"""The upgrade from 0.1.0, with the code of 0.1.0 itself."""
