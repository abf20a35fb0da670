//! The administrator's rules: from TOML text to a compiled set, from facts to a verdict.
//! It refuses to read files, clocks or mails; evaluation is total, pure and deterministic.

pub mod verdict;
