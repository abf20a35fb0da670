//! The mail data of a client: finds the true end, takes off the stuffed dots, and says what is wrong with the octets.
//! It refuses to see an end of data in anything but CRLF.CRLF, also behind a fault, so nothing inside a mail becomes a command.

use super::section::Section;
use memchr::memchr3;

/// Why mail data is refused after its true end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DataFault {
    /// A LF that no CR precedes (RFC 5321 2.3.8; CVE-2023-51764).
    BareLf,
    /// A CR that no LF follows.
    BareCr,
    /// An octet 0.
    Nul,
    /// A header section that is longer than the limit.
    HeaderTooLarge,
    /// More octets than the limit (RFC 1870 6.3).
    TooLarge,
}

/// Where in the text the next octet stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// At the start of a line: the first one, or behind CRLF.
    LineStart,
    /// Inside a line.
    Text,
    /// Behind a CR.
    Cr,
    /// Behind a dot at the start of a line.
    Dot,
    /// Behind such a dot and a CR.
    DotCr,
}

/// The largest mail that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Octets of the whole mail.
    pub mail: u64,
    /// Octets of its header section.
    pub header: usize,
    /// Fields of its header section.
    pub fields: usize,
}

/// Reads mail data: from the CRLF of DATA to the end of data (RFC 5321 4.1.1.4, 4.5.2), or chunks whose octets are counted (RFC 3030).
#[derive(Debug)]
pub struct Decoder {
    /// Does a dot at the start of a line mean something?
    dots: bool,
    at: At,
    section: Section,
    mail: Vec<u8>,
    /// Octets of the mail, also those not kept.
    octets: u64,
    bounds: Bounds,
    fault: Option<DataFault>,
    /// The line that is being read ended with a CR before its CRLF, and so far nothing but a dot stands behind it.
    doubled: bool,
    ended: bool,
}

impl Decoder {
    /// For the text behind DATA; `expected` is what the client announced (RFC 1870), believed only within reason.
    #[must_use]
    pub fn new(bounds: Bounds, expected: Option<u64>) -> Self {
        let room = usize::try_from(expected.unwrap_or(0).min(256 * 1024)).unwrap_or(0);
        Self {
            dots: true,
            at: At::LineStart,
            section: Section::new(),
            mail: Vec::with_capacity(room),
            octets: 0,
            bounds,
            fault: None,
            doubled: false,
            ended: false,
        }
    }

    /// For chunks: the caller feeds as many octets as the client counted, and a dot is a dot.
    #[must_use]
    pub fn counted(bounds: Bounds) -> Self {
        Self { dots: false, ..Self::new(bounds, None) }
    }

    /// Takes octets up to the end of data and returns how many they were; those behind it belong to the next command.
    pub fn feed(&mut self, bytes: &[u8]) -> usize {
        // `bytes[kept..here]` is text that was looked at and not yet taken over; it spans lines as long as no dot has to go.
        let mut kept = 0;
        let mut here = 0;
        while here < bytes.len() && !self.ended {
            let byte = bytes[here];
            match self.at {
                At::LineStart if byte == b'.' && self.dots => {
                    self.keep(&bytes[kept..here]);
                    here += 1;
                    kept = here;
                    self.at = At::Dot;
                }
                At::LineStart | At::Text => {
                    self.doubled = false;
                    let Some(found) = memchr3(b'\r', b'\n', 0, &bytes[here..]) else {
                        self.at = At::Text;
                        here = bytes.len();
                        break;
                    };
                    self.at = match bytes[here + found] {
                        b'\r' => At::Cr,
                        b'\n' => self.wrong(DataFault::BareLf),
                        _ => self.wrong(DataFault::Nul),
                    };
                    here += found + 1;
                }
                At::Cr if byte == b'\n' => {
                    here += 1;
                    self.at = At::LineStart;
                }
                At::Dot if byte == b'\r' => {
                    here += 1;
                    kept = here;
                    self.at = At::DotCr;
                }
                At::Dot => self.at = At::Text,
                At::DotCr if byte == b'\n' => {
                    here += 1;
                    kept = here;
                    self.ended = true;
                }
                At::Cr => {
                    self.at = self.wrong(DataFault::BareCr);
                    if byte == b'\r' {
                        here += 1;
                        self.doubled = true;
                        self.at = At::Cr;
                    }
                }
                At::DotCr => self.at = self.wrong(DataFault::BareCr),
            }
        }
        self.keep(&bytes[kept..here]);
        here
    }

    /// Was the end of data read?
    #[must_use]
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Did the data end behind CR CR LF? By the letter that is CRLF.CRLF, and a sender for whom it is text within the mail goes on with the mail,
    /// so that nothing behind it may be taken for a command.
    #[must_use]
    pub fn ended_in_doubt(&self) -> bool {
        self.ended && self.doubled
    }

    /// Octets of the mail so far, also of those that are not kept.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// The gravest fault so far.
    #[must_use]
    pub fn fault(&self) -> Option<DataFault> {
        self.fault
    }

    /// The mail in canonical form: lines end with CRLF, no dot is stuffed. Chunks need not end with a line; the mail gets the CRLF that ends
    /// it, as DATA cannot say anything else and a DKIM signature counts it anyway (RFC 6376 3.4.3).
    ///
    /// # Errors
    /// [`DataFault`] with the gravest reason to refuse it.
    pub fn finish(mut self) -> Result<Vec<u8>, DataFault> {
        if !self.dots {
            match self.at {
                At::Cr => self.at = self.wrong(DataFault::BareCr),
                At::LineStart => {}
                _ => self.keep(b"\r\n"),
            }
        }
        match self.fault {
            None => Ok(self.mail),
            Some(fault) => Err(fault),
        }
    }

    fn keep(&mut self, text: &[u8]) {
        self.octets += text.len() as u64;
        if self.octets > self.bounds.mail {
            self.wrong(DataFault::TooLarge);
        }
        if self.section.feed(text) > self.bounds.header || self.section.fields() > self.bounds.fields {
            self.wrong(DataFault::HeaderTooLarge);
        }
        if self.fault.is_none() {
            self.mail.extend_from_slice(text);
        }
    }

    /// Notes a fault and gives the memory back: a mail with a fault is read, not kept.
    fn wrong(&mut self, fault: DataFault) -> At {
        self.fault = self.fault.max(Some(fault));
        self.mail = Vec::new();
        At::Text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All of `octets` in pieces of `size`: the result, and what came behind the end of data.
    fn decode(octets: &[u8], size: usize, limit: u64) -> (bool, Result<Vec<u8>, DataFault>, Vec<u8>) {
        let mut decoder = Decoder::new(Bounds { mail: limit, header: 10, fields: 9 }, None);
        let mut rest = Vec::new();
        for piece in octets.chunks(size) {
            if decoder.ended() {
                rest.extend_from_slice(piece);
            } else {
                let used = decoder.feed(piece);
                rest.extend_from_slice(&piece[used..]);
            }
        }
        (decoder.ended(), decoder.finish(), rest)
    }

    #[test]
    fn only_an_end_right_behind_a_doubled_cr_is_in_doubt() {
        for (octets, doubt) in [
            (&b"a\r\r\n.\r\n"[..], true),
            (b"\r\r\n.\r\n", true),
            (b"a\r\r\r\n.\r\n", true),
            (b"a\r\n.\r\n", false),
            (b"a\r\r\nb\r\n.\r\n", false),
            (b"a\r\r\n..\r\n.\r\n", false),
            (b"a\r\r\n.b\r\n.\r\n", false),
            (b"a\r\r\n\r\n.\r\n", false),
            (b"a\rb\r\n.\r\n", false),
        ] {
            for size in 1..=octets.len() {
                let mut decoder = Decoder::new(Bounds { mail: 99, header: 99, fields: 9 }, None);
                octets.chunks(size).for_each(|piece| {
                    decoder.feed(piece);
                });
                assert!(decoder.ended());
                assert_eq!(decoder.ended_in_doubt(), doubt, "{} by {size}", octets.escape_ascii());
            }
        }
    }

    #[test]
    fn dots_are_taken_off_and_faults_are_named() {
        for (octets, result, rest) in [
            (&b".\r\n"[..], Ok(&b""[..]), &b""[..]),
            (b"a\r\n.\r\nNOOP\r\n", Ok(b"a\r\n"), b"NOOP\r\n"),
            (b"..\r\n.\r\n", Ok(b".\r\n"), b""),
            (b"...\r\n..a\r\n.b\r\n.\r\n.", Ok(b"..\r\n.a\r\nb\r\n"), b"."),
            (b"\r\n.\r\n", Ok(b"\r\n"), b""),
            (b"a.\r\n.\r\n", Ok(b"a.\r\n"), b""),
            (b"\x80\xff\t\x01\r\n.\r\n", Ok(b"\x80\xff\t\x01\r\n"), b""),
            (b"a\n.\r\nb\r\n.\r\n", Err(DataFault::BareLf), b""),
            (b"a\n.\nb\r\n.\r\n", Err(DataFault::BareLf), b""),
            (b"a\r.\r\r\n.\r\n", Err(DataFault::BareCr), b""),
            (b"a\r\n.\rb\r\n.\r\n", Err(DataFault::BareCr), b""),
            (b"a\r\n.\r.\r\n.\r\n", Err(DataFault::BareCr), b""),
            (b"a\r\n.\nb\r\n.\r\n", Err(DataFault::BareLf), b""),
            (b"a\0\n\r\n.\r\n", Err(DataFault::Nul), b""),
            (b"a\r\n.\0\r\n.\r\n", Err(DataFault::Nul), b""),
            (b"aaaaaaaaaaaaaaaaaaa\r\n.\r\nQUIT", Err(DataFault::TooLarge), b"QUIT"),
            (b"A: bcde\r\n\r\nx\r\n.\r\n", Ok(b"A: bcde\r\n\r\nx\r\n"), b""),
            (b"A: bcdefg\r\n\r\n.\r\n", Err(DataFault::HeaderTooLarge), b""),
            (b"A: b\r\nC: d\r\n.\r\n", Err(DataFault::HeaderTooLarge), b""),
        ] {
            for size in 1..=octets.len() {
                let found = decode(octets, size, 20);
                assert_eq!(found, (true, result.map(<[u8]>::to_vec), rest.to_vec()), "{}", octets.escape_ascii());
            }
        }
    }

    #[test]
    fn chunks_are_text_to_the_last_octet() {
        for (octets, result) in [
            (&b""[..], Ok(&b""[..])),
            (b"a", Ok(b"a\r\n")),
            (b"a\r\n", Ok(b"a\r\n")),
            (b"\r\n.\r\nQUIT\r\n..\r\n", Ok(b"\r\n.\r\nQUIT\r\n..\r\n")),
            (b"a\r\n.", Ok(b"a\r\n.\r\n")),
            (b"a\r", Err(DataFault::BareCr)),
            (b"a\rb", Err(DataFault::BareCr)),
            (b"\n", Err(DataFault::BareLf)),
            (b"a\r\n\n", Err(DataFault::BareLf)),
            (b"a\0", Err(DataFault::Nul)),
            (b"aaaaaaaaaaaaaaaaaaaaa", Err(DataFault::TooLarge)),
            (b"aaaaaaaaaaaaaaaaaaa", Err(DataFault::TooLarge)),
        ] {
            for size in 1..=octets.len().max(1) {
                let mut decoder = Decoder::counted(Bounds { mail: 20, header: 10, fields: 9 });
                for piece in octets.chunks(size) {
                    assert_eq!(decoder.feed(piece), piece.len());
                }
                assert_eq!(decoder.finish(), result.map(<[u8]>::to_vec), "{}", octets.escape_ascii());
            }
        }
    }

    /// The reference: a mail ends at the first CRLF.CRLF, where the CRLF before DATA's first line counts.
    fn true_end(octets: &[u8]) -> Option<usize> {
        let with_start = [b"\r\n", octets].concat();
        with_start.windows(5).position(|window| window == b"\r\n.\r\n").map(|at| at + 3)
    }

    #[test]
    fn no_other_row_of_cr_lf_and_dot_ends_a_mail() {
        let mut rows = vec![Vec::new()];
        let mut start = 0;
        for _ in 0..5 {
            let end = rows.len();
            for at in start..end {
                for byte in *b"\r\n." {
                    let longer = [&rows[at][..], &[byte]].concat();
                    rows.push(longer);
                }
            }
            start = end;
        }
        assert_eq!(rows.len(), (0..=5).map(|length| 3_usize.pow(length)).sum::<usize>());
        for row in rows {
            for (before, behind) in [("text", "text"), ("", "text"), ("text\r\n", "text")] {
                let octets = [before.as_bytes(), &row, behind.as_bytes()].concat();
                for size in [1, 2, octets.len()] {
                    let (ended, _, rest) = decode(&octets, size, 1000);
                    assert_eq!(ended, true_end(&octets).is_some(), "{}", octets.escape_ascii());
                    if let Some(end) = true_end(&octets) {
                        assert_eq!(rest, &octets[end..], "{}", octets.escape_ascii());
                    }
                }
            }
        }
    }

    #[test]
    fn a_mail_of_exactly_the_limit_is_kept_and_one_octet_more_is_not() {
        let mail = [&b"x".repeat(98)[..], b"\r\n"].concat();
        let octets = [&mail[..], b".\r\n"].concat();
        assert_eq!(decode(&octets, 7, 100).1, Ok(mail));
        assert_eq!(decode(&octets, 7, 99).1, Err(DataFault::TooLarge));
    }

    #[test]
    fn what_exceeds_the_limit_is_not_held_in_memory() {
        let mut decoder = Decoder::new(Bounds { mail: 1000, header: 1000, fields: 9 }, Some(u64::MAX));
        for _ in 0..1000 {
            decoder.feed(&[b'x'; 1000]);
        }
        assert_eq!(decoder.mail.capacity(), 0);
    }
}
