"""A simulated crowd with known error rates: it tries the quality engine and the service before people do."""
