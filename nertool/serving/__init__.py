"""A server that tags over HTTP: requests that come together are tagged together."""
