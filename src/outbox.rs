//! Patience: retries, back-off, expiry and delivery reports (RFC 3464) for everything that could not leave at once.
//! It refuses to forget a recipient: each one ends delivered, reported or still waiting.
