"""What every connector must pass, on the real system. Needs the extra `tiebeam[conformance]`.

A test module imports the tests of a family and has a fixture `target`: a running system, connected. The suite starts
nothing itself, and counts effects in that system's own books, which are read round the connector.
"""
