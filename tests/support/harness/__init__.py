"""What tests run in or against: processes, servers, a browser, a database."""
