"""What there is at each address of the API."""
