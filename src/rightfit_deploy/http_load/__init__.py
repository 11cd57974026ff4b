"""Served over HTTP: load, what it costs the server, and where it no longer keeps up."""
