"""The chart `tiebeam`, and what its values may say."""
