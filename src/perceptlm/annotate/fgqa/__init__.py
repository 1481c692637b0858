"""The fine-grained QA flow as pure functions: payloads, what comes next, filters, groups, ceiling. No database."""
