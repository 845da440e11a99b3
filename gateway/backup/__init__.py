"""An installation's state in one file, taken while it works, and put back: the database, and the keys beside it.

The settings, policies, templates and mappings are the operator's own files, and are kept with their other files.
"""
