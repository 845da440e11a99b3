"""Approved time becomes facts and postings, once each: taken in, checked, posted, told; reversed where it changes."""
