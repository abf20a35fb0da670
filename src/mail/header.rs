//! Header lines as raw bytes: where each field stands, and edits that change named lines only.
//! It refuses to re-serialise: every byte outside the named lines stays.
