//! Compressed RTF as Outlook stores it (MS-OXRTFCP).
//! It refuses to give more than it is allowed, and takes the end of the data for the end of the text.

/// The dictionary before the first byte (MS-OXRTFCP 2.1.2.1).
const PRELOADED: &[u8] =
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \
\\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \
\\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";
const SIZE: usize = 4096;
/// `COMPTYPE` (MS-OXRTFCP 2.1.3.1.1): "LZFu", and "MELA" for text as it is.
const COMPRESSED: &[u8] = b"LZFu";
const PLAIN: &[u8] = b"MELA";

/// What decompression gave.
pub(super) struct Text {
    pub bytes: Vec<u8>,
    /// The limit was reached.
    pub over: bool,
}

/// Decompresses a stream; `None` when it is no compressed RTF.
pub(super) fn decompressed(stream: &[u8], allowance: u64) -> Option<Text> {
    let most = usize::try_from(allowance).unwrap_or(usize::MAX);
    let body = stream.get(16..)?;
    match stream.get(8..12)? {
        PLAIN => {
            let bytes = body[..body.len().min(most)].to_vec();
            Some(Text { over: bytes.len() < body.len(), bytes })
        }
        COMPRESSED => Some(unpacked(body, most)),
        _ => None,
    }
}

fn unpacked(mut body: &[u8], most: usize) -> Text {
    let mut dictionary = [b' '; SIZE];
    dictionary[..PRELOADED.len()].copy_from_slice(PRELOADED);
    let mut write = PRELOADED.len();
    let mut text = Text { bytes: Vec::new(), over: false };
    while let Some((control, rest)) = body.split_first() {
        body = rest;
        for bit in 0..8 {
            if text.bytes.len() >= most {
                text.over = true;
                return text;
            }
            if control & 1 << bit == 0 {
                let Some((byte, rest)) = body.split_first() else { return text };
                body = rest;
                text.bytes.push(*byte);
                dictionary[write] = *byte;
                write = (write + 1) % SIZE;
                continue;
            }
            let Some((pair, rest)) = body.split_first_chunk::<2>() else { return text };
            body = rest;
            let reference = usize::from(u16::from_be_bytes(*pair));
            let (mut read, length) = (reference >> 4, (reference & 15) + 2);
            if read == write {
                return text;
            }
            for _ in 0..length {
                let byte = dictionary[read];
                text.bytes.push(byte);
                dictionary[write] = byte;
                read = (read + 1) % SIZE;
                write = (write + 1) % SIZE;
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of MS-OXRTFCP 4.1.
    #[test]
    fn the_examples_of_the_specification_come_out() {
        assert_eq!(PRELOADED.len(), 207);
        let first = b"\x2d\0\0\0\x2b\0\0\0LZFu\xf1\xc5\xc7\xa7\x03\0\x0a\0rcpg125\x42\x32\x0a\xf3 hel\x09\0 bw\x05\xb0ld}\x0a\x80\x0f\xa0";
        let text = decompressed(first, u64::MAX).unwrap();
        assert_eq!(text.bytes, b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n");
        assert!(!text.over);
        let second = b"\x1a\0\0\0\x1c\0\0\0LZFu\xe2\xd4\x4b\x51\x41\0\x04\x20WXYZ\x0d\x6e}\x01\x0e\xb0";
        assert_eq!(decompressed(second, u64::MAX).unwrap().bytes, b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}");
        assert!(decompressed(second, 5).unwrap().over);
        for end in 0..first.len() {
            let part = decompressed(&first[..end], u64::MAX);
            assert!(part.is_none_or(|part| text.bytes.starts_with(&part.bytes)), "{end}");
        }
    }
}
