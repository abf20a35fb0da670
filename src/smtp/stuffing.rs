//! The mail data we send: dots stuffed (RFC 5321 4.5.2) and the end of data added, as pieces that share the memory of the mail.
//! It refuses a mail that is not in canonical form: a bare CR, a bare LF, an octet 0, or an open last line never leave.

use bytes::{Bytes, BytesMut};
use memchr::memchr3;
use memchr::memmem::find;
use std::collections::VecDeque;

/// Runs of at least this many octets are shared, shorter ones copied together so that a small mail is one write.
const SHARED: usize = 8 * 1024;
/// The largest piece in octets, so that the caller sees progress and early replies.
const PIECE: usize = 256 * 1024;

/// Mail data ready for the wire. The pieces are made one by one while they are sent, so that a large mail costs no second copy.
#[derive(Debug)]
pub struct Stuffed {
    chunks: VecDeque<Bytes>,
    /// Short runs, collected.
    short: BytesMut,
    line_start: bool,
    /// Is the final dot among the pieces handed out or collected?
    ended: bool,
    /// Octets of the mail itself (RFC 1870 3: without stuffing and end of data).
    pub octets: u64,
    /// Are there octets above 127?
    pub eight_bit: bool,
}

/// The mail has a bare CR, a bare LF, an octet 0, or does not end with CRLF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("send a mail that is not made of CRLF lines")]
pub struct NotCanonical;

/// Prepares a mail, given as consecutive chunks.
///
/// # Errors
/// [`NotCanonical`].
pub fn stuff(mail: Vec<Bytes>) -> Result<Stuffed, NotCanonical> {
    let mut last = None;
    let mut octets = 0;
    let mut eight_bit = false;
    for chunk in &mail {
        octets += chunk.len() as u64;
        eight_bit |= !chunk.is_ascii();
        last = canonical(chunk, last)?;
    }
    if !matches!(last, None | Some(b'\n')) {
        return Err(NotCanonical);
    }
    let chunks = mail.into();
    Ok(Stuffed { chunks, short: BytesMut::new(), line_start: true, ended: false, octets, eight_bit })
}

/// Checks a chunk that follows the octet `last`; gives its own last octet.
fn canonical(chunk: &[u8], last: Option<u8>) -> Result<Option<u8>, NotCanonical> {
    let Some(first) = chunk.first() else { return Ok(last) };
    if (last == Some(b'\r')) != (*first == b'\n') {
        return Err(NotCanonical);
    }
    let mut here = usize::from(*first == b'\n');
    while let Some(found) = memchr3(b'\r', b'\n', 0, &chunk[here..]) {
        match chunk.get(here + found..).unwrap_or_default() {
            [b'\r'] => break,
            [b'\r', b'\n', ..] => here += found + 2,
            _ => return Err(NotCanonical),
        }
    }
    Ok(chunk.last().copied())
}

impl Stuffed {
    /// The next octets to send after 354; the last ones end with the final dot, after which there are none.
    pub fn next_piece(&mut self) -> Option<Bytes> {
        while self.short.len() < PIECE {
            let Some(chunk) = self.chunks.front_mut() else {
                if !self.ended {
                    self.ended = true;
                    self.short.extend_from_slice(b".\r\n");
                }
                break;
            };
            let Some(first) = chunk.first() else {
                self.chunks.pop_front();
                continue;
            };
            if std::mem::take(&mut self.line_start) && *first == b'.' {
                self.short.extend_from_slice(b".");
            }
            let within = chunk.len().min(PIECE);
            let end = find(&chunk[..within], b"\n.").map_or(within, |at| at + 1);
            if end >= SHARED && !self.short.is_empty() {
                // The run itself is shared, and goes next.
                break;
            }
            self.line_start = chunk[end - 1] == b'\n';
            let run = chunk.split_to(end);
            if end >= SHARED {
                return Some(run);
            }
            self.short.extend_from_slice(&run);
        }
        (!self.short.is_empty()).then(|| self.short.split().freeze())
    }

    /// Was everything handed out, the final dot too?
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.ended && self.short.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(chunks: &[&[u8]]) -> Result<Vec<u8>, NotCanonical> {
        let chunks: Vec<Bytes> = chunks.iter().map(|chunk| Bytes::copy_from_slice(chunk)).collect();
        Ok(pieces(stuff(chunks)?).concat())
    }

    fn pieces(mut stuffed: Stuffed) -> Vec<Bytes> {
        let mut pieces = Vec::new();
        while let Some(piece) = stuffed.next_piece() {
            assert_eq!(stuffed.is_done(), piece.ends_with(b".\r\n") && stuffed.chunks.is_empty() && stuffed.ended);
            pieces.push(piece);
        }
        assert!(stuffed.is_done());
        pieces
    }

    #[test]
    fn dots_are_stuffed_at_line_starts_only() {
        for (mail, wire) in [
            (&b""[..], &b".\r\n"[..]),
            (b".\r\n", b"..\r\n.\r\n"),
            (b"a.\r\n..b\r\n\r\n.\r\n", b"a.\r\n...b\r\n\r\n..\r\n.\r\n"),
        ] {
            assert_eq!(sent(&[mail]), Ok(wire.to_vec()));
            for cut in 0..=mail.len() {
                assert_eq!(sent(&[&mail[..cut], b"", &mail[cut..]]), Ok(wire.to_vec()), "{cut}");
            }
        }
    }

    #[test]
    fn other_line_ends_never_leave() {
        for mail in
            [&b"a"[..], b"a\n", b"a\r", b"a\r\r\n", b"a\n.\r\n", b"a\r\n\n", b"\0\r\n", b"a\r\n.", b"\n", b"a\rb\r\n"]
        {
            for cut in 0..=mail.len() {
                assert_eq!(sent(&[&mail[..cut], &mail[cut..]]), Err(NotCanonical), "{}", mail.escape_ascii());
            }
        }
    }

    #[test]
    fn a_large_mail_is_shared_and_a_small_one_is_one_piece() {
        let mail = Bytes::from(b"0123456789abcde\r\n".repeat(100_000));
        let stuffed = stuff(vec![Bytes::from_static(b"Received: x\r\n"), mail.clone()]).unwrap();
        assert_eq!(stuffed.octets, 13 + mail.len() as u64);
        let found = pieces(stuffed);
        assert!(found.iter().all(|piece| piece.len() <= PIECE));
        assert_eq!(found[1].as_ptr(), mail.as_ptr());
        assert_eq!(found[1..].concat(), [&mail[..], b".\r\n"].concat());
        let small = vec![Bytes::from_static(b"a\r\n"), Bytes::from_static(b".b\r\n")];
        assert_eq!(pieces(stuff(small).unwrap()), [&b"a\r\n..b\r\n.\r\n"[..]]);
    }

    #[test]
    fn dots_at_the_edges_of_pieces_are_stuffed_once() {
        for before in [SHARED - 2, SHARED, PIECE - 3, PIECE - 2, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE - 2] {
            let mail = ["x".repeat(before).as_str(), "\r\n.", &"y".repeat(before), "\r\n..\r\n"].concat();
            let wire = ["x".repeat(before).as_str(), "\r\n..", &"y".repeat(before), "\r\n...\r\n.\r\n"].concat();
            assert!(sent(&[mail.as_bytes()]).unwrap() == wire.as_bytes(), "{before}");
        }
    }

    #[test]
    fn a_mail_of_dots_is_never_held_twice() {
        let mut stuffed = stuff(vec![Bytes::from(b".\r\n".repeat(1_000_000))]).unwrap();
        let mut octets = 0;
        while let Some(piece) = stuffed.next_piece() {
            assert!(piece.len() <= PIECE + SHARED, "{}", piece.len());
            octets += piece.len();
        }
        assert_eq!(octets, 4 * 1_000_000 + 3);
    }

    #[test]
    fn eight_bit_text_is_noticed() {
        for (mail, eight_bit) in [("a\r\n", false), ("é\r\n", true)] {
            assert_eq!(stuff(vec![Bytes::from(mail)]).unwrap().eight_bit, eight_bit);
        }
    }
}
