"""What may happen in the service, as functions on a session. Only these write; each writes its audit event with it."""
