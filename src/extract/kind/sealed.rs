//! Password protection of formats whose content is read elsewhere, told by their headers.
//! It refuses to try a password; it only says that one is needed.

use super::Kind;
use memchr::memmem;

/// Is the whole content under a password?
pub(super) fn is_sealed(kind: Kind, bytes: &[u8]) -> bool {
    match kind {
        // The trailer or the cross-reference stream's dictionary is never compressed (ISO 32000-2 7.6.1).
        Kind::Pdf => {
            memmem::find_iter(bytes, b"/Encrypt").any(|at| !bytes.get(at + 8).is_some_and(u8::is_ascii_alphabetic))
        }
        _ => false,
    }
}
