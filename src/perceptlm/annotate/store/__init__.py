"""Where the service keeps things: typed tables, transactions, migrations, the audit log and the outbox."""
