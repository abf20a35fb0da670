//! Every bound in the program: `Limits` are the settings an administrator may change, `Budget` is what is left of them for one mail.
//! It refuses to be unbounded: there is no value that means "no limit".

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Octets of one line of AUTH without its CRLF (RFC 4954 4).
pub const AUTH_LINE: usize = 12_288;
/// Octets of one over-long command line that are read on before the session is closed.
pub const OVERLONG: usize = 1024 * 1024;
/// Seconds that a mail which is coming in has to end when the service stops.
pub const STOP_SECONDS: u64 = 10;
/// Recipients refused as too many before each counts as an error: a pipelining client has sent them before it can see the first refusal.
pub const OVERSHOOT: usize = 1_000;

/// All settings, with defaults that suit an organisation of some thousand people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Octets of one mail after un-stuffing (RFC 1870 SIZE).
    pub message_bytes: u64,
    /// Recipients of one transaction (RFC 5321 4.5.3.1.8 asks for at least 100).
    pub recipients: usize,
    /// Octets of one command line with its CRLF (RFC 5321 4.5.3.1.4 asks for at least 512; DSN and SMTPUTF8 parameters need more).
    pub command_bytes: usize,
    /// Octets of the header section of a mail.
    pub header_bytes: usize,
    /// Fields of the header section of a mail.
    pub header_fields: usize,
    /// Depth of nested MIME parts and attached mails.
    pub mime_depth: usize,
    /// MIME parts of a mail.
    pub mime_parts: usize,
    /// Bytes that decoding and unpacking may produce for one mail.
    pub unpacked_bytes: u64,
    /// Bytes that decoding and unpacking may produce for one part or archive entry.
    pub part_bytes: u64,
    /// Archive entries of one mail.
    pub archive_entries: u64,
    /// Depth of archives in archives.
    pub archive_depth: usize,
    /// Times that an archive entry above 1 MiB may be larger than its packed form.
    pub archive_ratio: u64,
    /// Seconds one inspection may take before its worker is killed and the mail is held.
    pub inspection_seconds: u64,
    /// Mebibytes of address space of one worker.
    pub worker_mebibytes: u64,
    /// Connections in all.
    pub connections: usize,
    /// Connections of one client address outside the networks that may relay; those share three quarters of all.
    pub connections_per_client: usize,
    /// Transactions on one connection.
    pub transactions: usize,
    /// Refused or unknown commands on one connection before it is closed.
    pub errors: usize,
    /// Failed logins on one connection before it is closed.
    pub failed_logins: usize,
    /// Commands in a row that move no mail (EHLO, NOOP, RSET, VRFY, HELP) before each counts as an error.
    pub idle_commands: usize,
    /// Commands within one minute on a connection, since its last accepted mail. A mail to all `recipients` must fit.
    pub commands_per_minute: usize,
    /// Seconds between two commands, for one whole command, and without any octet of a mail (RFC 5321 4.5.3.2.7 asks for at least 300).
    pub idle_seconds: u64,
    /// Seconds a connection may last without a mail that was accepted.
    pub session_seconds: u64,
    /// Seconds that the text of any mail may take to come; a large one gets more by `data_rate`.
    pub data_seconds: u64,
    /// Octets a second that a client must send at least once `data_seconds` are over.
    pub data_rate: u64,
    /// Seconds for a TLS handshake or the header of a PROXY connection.
    pub handshake_seconds: u64,
    /// Seconds in which a client must take a reply.
    pub reply_seconds: u64,
    /// `Received` fields before a mail counts as looping (RFC 5321 6.3 asks for at least 100).
    pub hops: usize,
    /// `Received` fields of this very host before a mail counts as looping; a mail that passes it twice on purpose has one.
    pub own_hops: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 50 * 1024 * 1024,
            recipients: 2_000,
            command_bytes: 4_096,
            header_bytes: 1024 * 1024,
            header_fields: 2_000,
            mime_depth: 50,
            mime_parts: 2_000,
            unpacked_bytes: 512 * 1024 * 1024,
            part_bytes: 256 * 1024 * 1024,
            archive_entries: 10_000,
            archive_depth: 8,
            archive_ratio: 200,
            inspection_seconds: 30,
            worker_mebibytes: 2_048,
            connections: 2_000,
            connections_per_client: 200,
            transactions: 1_000,
            errors: 20,
            failed_logins: 5,
            idle_commands: 100,
            commands_per_minute: 6_000,
            idle_seconds: 300,
            session_seconds: 3_600,
            data_seconds: 600,
            data_rate: 1_024,
            handshake_seconds: 30,
            reply_seconds: 60,
            hops: 100,
            own_hops: 5,
        }
    }
}

/// What is left for one mail; every extractor takes from it and stops when it is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    bytes: u64,
    part_bytes: u64,
    entries: u64,
    depth: usize,
    ratio: u64,
}

/// The budget is used up; the text read so far stays, and the rest is `unreadable = limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read on: the limit for one mail is used up")]
pub struct Spent;

impl Budget {
    /// A full budget.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            bytes: limits.unpacked_bytes,
            part_bytes: limits.part_bytes,
            entries: limits.archive_entries,
            depth: limits.archive_depth,
            ratio: limits.archive_ratio,
        }
    }

    /// Takes bytes that were produced by decoding or unpacking.
    ///
    /// # Errors
    /// [`Spent`] when fewer are left; then nothing is left afterwards.
    pub fn take_bytes(&mut self, count: u64) -> Result<(), Spent> {
        if let Some(rest) = self.bytes.checked_sub(count) {
            self.bytes = rest;
            Ok(())
        } else {
            self.bytes = 0;
            Err(Spent)
        }
    }

    /// Bytes that are left.
    #[must_use]
    pub fn bytes_left(&self) -> u64 {
        self.bytes
    }

    /// Archive entries that are left.
    #[must_use]
    pub fn entries_left(&self) -> u64 {
        self.entries
    }

    /// Takes one archive entry.
    ///
    /// # Errors
    /// [`Spent`] when none is left.
    pub fn take_entry(&mut self) -> Result<(), Spent> {
        self.entries = self.entries.checked_sub(1).ok_or(Spent)?;
        Ok(())
    }

    /// Goes one archive deeper; give the level back with [`Budget::leave`].
    ///
    /// # Errors
    /// [`Spent`] at the deepest level.
    pub fn enter(&mut self) -> Result<(), Spent> {
        self.depth = self.depth.checked_sub(1).ok_or(Spent)?;
        Ok(())
    }

    /// Comes back from one archive.
    pub fn leave(&mut self) {
        self.depth += 1;
    }

    /// Bytes that one part or entry of this packed size may produce: the least of what is left, the bound for one part, and the ratio (above 1 MiB).
    #[must_use]
    pub fn allowance(&self, packed: u64) -> u64 {
        self.bytes.min(self.part_bytes).min(packed.saturating_mul(self.ratio).max(1024 * 1024))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_gone_and_an_overdraft_empties_the_budget() {
        let limits = Limits { unpacked_bytes: 10, archive_entries: 1, archive_depth: 1, ..Limits::default() };
        let mut budget = Budget::new(&limits);
        assert_eq!(budget.take_bytes(4), Ok(()));
        assert_eq!(budget.take_bytes(7), Err(Spent));
        assert_eq!(budget.take_bytes(1), Err(Spent));
        assert_eq!(budget.take_entry(), Ok(()));
        assert_eq!(budget.take_entry(), Err(Spent));
        assert_eq!(budget.enter(), Ok(()));
        assert_eq!(budget.enter(), Err(Spent));
        budget.leave();
        assert_eq!(budget.enter(), Ok(()));
    }

    #[test]
    fn a_small_entry_may_grow_to_a_mebibyte_and_a_large_one_by_the_ratio() {
        let budget = Budget::new(&Limits { archive_ratio: 2, ..Limits::default() });
        assert_eq!(budget.allowance(10), 1024 * 1024);
        assert_eq!(budget.allowance(4 * 1024 * 1024), 8 * 1024 * 1024);
    }
}
