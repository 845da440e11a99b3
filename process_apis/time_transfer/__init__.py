"""Approved time becomes facts and postings, once each: taken in, checked, posted, told; and reversed where it changes."""
