//! The mail data we send: dots stuffed (RFC 5321 4.5.2) and the end of data added, as pieces that share the memory of the mail.
//! It refuses a mail that is not in canonical form: a bare CR, a bare LF, an octet 0, or an open last line never leave.

use bytes::{Bytes, BytesMut};
use memchr::memchr3;
use std::collections::VecDeque;

/// Runs of at least this many octets are shared, shorter ones copied together so that a small mail is one write.
const SHARED: usize = 8 * 1024;
/// The largest piece in octets, so that the caller sees progress and early replies.
const PIECE: usize = 256 * 1024;

/// Mail data ready for the wire.
#[derive(Debug)]
pub struct Stuffed {
    /// What to send after 354, in order, with the final dot.
    pub pieces: VecDeque<Bytes>,
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
pub fn stuff(mail: &[Bytes]) -> Result<Stuffed, NotCanonical> {
    let mut pieces = Pieces::default();
    let mut line_start = true;
    let mut behind_cr = false;
    let mut octets = 0;
    let mut eight_bit = false;
    for chunk in mail {
        octets += chunk.len() as u64;
        eight_bit |= !chunk.is_ascii();
        let mut kept = 0;
        let mut here = 0;
        while here < chunk.len() {
            if behind_cr {
                if chunk[here] != b'\n' {
                    return Err(NotCanonical);
                }
                here += 1;
                (behind_cr, line_start) = (false, true);
                continue;
            }
            if line_start && chunk[here] == b'.' {
                pieces.push(&chunk.slice(kept..here));
                pieces.push(&Bytes::from_static(b"."));
                kept = here;
            }
            line_start = false;
            match memchr3(b'\r', b'\n', 0, &chunk[here..]) {
                None => here = chunk.len(),
                Some(found) if chunk[here + found] == b'\r' => {
                    here += found + 1;
                    behind_cr = true;
                }
                Some(_) => return Err(NotCanonical),
            }
        }
        pieces.push(&chunk.slice(kept..));
    }
    if behind_cr || !line_start {
        return Err(NotCanonical);
    }
    pieces.push(&Bytes::from_static(b".\r\n"));
    pieces.close();
    Ok(Stuffed { pieces: pieces.list, octets, eight_bit })
}

#[derive(Default)]
struct Pieces {
    list: VecDeque<Bytes>,
    short: BytesMut,
}

impl Pieces {
    fn push(&mut self, run: &Bytes) {
        if run.len() < SHARED {
            self.short.extend_from_slice(run);
            if self.short.len() >= PIECE {
                self.close();
            }
            return;
        }
        self.close();
        for start in (0..run.len()).step_by(PIECE) {
            self.list.push_back(run.slice(start..run.len().min(start + PIECE)));
        }
    }

    fn close(&mut self) {
        if !self.short.is_empty() {
            self.list.push_back(self.short.split().freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(chunks: &[&[u8]]) -> Result<Vec<u8>, NotCanonical> {
        let chunks: Vec<Bytes> = chunks.iter().map(|chunk| Bytes::copy_from_slice(chunk)).collect();
        Ok(Vec::from(stuff(&chunks)?.pieces).concat())
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
        let stuffed = stuff(&[Bytes::from_static(b"Received: x\r\n"), mail.clone()]).unwrap();
        assert!(stuffed.pieces.iter().all(|piece| piece.len() <= PIECE));
        assert_eq!(stuffed.pieces[1].as_ptr(), mail.as_ptr());
        assert_eq!(stuffed.octets, 13 + mail.len() as u64);
        assert_eq!(stuff(&[Bytes::from_static(b"a\r\n"), Bytes::from_static(b".b\r\n")]).unwrap().pieces.len(), 1);
    }

    #[test]
    fn eight_bit_text_is_noticed() {
        for (mail, eight_bit) in [("a\r\n", false), ("é\r\n", true)] {
            assert_eq!(stuff(&[Bytes::from(mail)]).unwrap().eight_bit, eight_bit);
        }
    }
}
