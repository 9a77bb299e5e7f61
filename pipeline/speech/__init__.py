"""From audio to text: decoding, utterances, recognition, languages."""
