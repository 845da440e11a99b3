"""RFC 9111 for the kind `cache`: what a request asks of a cache, what of an answer may be kept, who waits for whom."""
