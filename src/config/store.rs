//! Reads `[store]`: where the master keys are, and how much room the disk must have before a mail is taken.
//! It refuses a size without a unit that everybody reads the same.

use super::file;
use super::{Reader, Store};

impl Reader<'_> {
    pub(super) fn store(&mut self, given: &file::Store) -> Store {
        let min_free = octets(given.min_free.get_ref()).unwrap_or_else(|| {
            self.fail(given.min_free.span(), "this is no size", "write it as 256MiB, 2GiB or 0");
            0
        });
        Store { key_file: given.key_file.as_deref().map(|path| self.path(path)), min_free }
    }
}

/// Octets of a size: a whole number and `KiB`, `MiB` or `GiB` (IEC 80000-13), or `0`.
fn octets(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let split = text.find(|char: char| !char.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let unit = match unit.trim() {
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, want) in [
            ("0", Some(0)),
            ("256MiB", Some(256 << 20)),
            ("2 GiB", Some(2 << 30)),
            ("512KiB", Some(512 << 10)),
            ("100", None),
            ("1MB", None),
            ("-1MiB", None),
            ("99999999999999GiB", None),
        ] {
            assert_eq!(octets(text), want, "{text}");
        }
    }
}
