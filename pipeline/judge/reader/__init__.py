"""The second reader: a language model that is asked about unsure utterances. The stage read."""
