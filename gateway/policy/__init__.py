"""Policies: YAML rows in files, a class for each kind, and one plan for each operation.

`document` reads rows, `plan` says which rows an operation has, `kinds/` says what a row does to a call.
"""
