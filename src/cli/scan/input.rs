//! Files as mails: .eml files are taken as they are, anything else becomes the attachment of a mail.
//! It refuses to guess an envelope that is neither in the header nor on the command line: then the mail goes to nobody known.

use crate::address::Address;
use crate::mail::envelope::{Client, Envelope, MailParameters, Recipient};
use crate::mail::header::Header;
use crate::mail::recipients;
use lettre::message::header::ContentType;
use lettre::message::{Attachment, MultiPart, SinglePart};
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

/// One file, not read yet.
pub(super) struct Input {
    path: PathBuf,
    from: Option<String>,
    to: Vec<String>,
}

/// A mail ready for inspection.
pub(super) struct Mail {
    pub(super) name: String,
    pub(super) envelope: Envelope,
    pub(super) bytes: Vec<u8>,
}

/// Why a file cannot be taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum InputError {
    #[error("read {file}: {cause}")]
    Read { file: PathBuf, cause: io::Error },
    #[error("put {file} into a mail: {cause}")]
    Compose { file: PathBuf, cause: String },
}

/// The files named, and all below the folders named, in order.
pub(super) fn collect(paths: &[PathBuf], from: Option<&str>, to: &[String]) -> Result<Vec<Input>, InputError> {
    let mut files = Vec::new();
    for path in paths {
        walk(path, &mut files)?;
    }
    Ok(files.into_iter().map(|path| Input { path, from: from.map(str::to_owned), to: to.to_vec() }).collect())
}

fn walk(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), InputError> {
    let failed = |cause| InputError::Read { file: path.to_owned(), cause };
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries: Vec<PathBuf> = fs::read_dir(path)
        .map_err(failed)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    entries.sort();
    entries.iter().try_for_each(|entry| walk(entry, files))
}

impl Input {
    /// Reads the file and gives it an envelope.
    pub(super) fn read(&self) -> Result<Mail, InputError> {
        let content = fs::read(&self.path).map_err(|cause| InputError::Read { file: self.path.clone(), cause })?;
        let eml = self.path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("eml"));
        let bytes = if eml { content } else { self.wrap(content)? };
        let visible = recipients::read(&bytes);
        let to = if self.to.is_empty() {
            visible.addresses.iter().chain(&visible.blind).map(|address| Recipient::new(address.as_str())).collect()
        } else {
            self.to.iter().map(|address| Recipient::new(address)).collect()
        };
        let sender = self.from.as_deref().map(Address::new).or_else(|| from_header(&bytes));
        let client =
            Client { helo: "localhost".to_owned(), esmtp: true, ..Client::new(IpAddr::V4(Ipv4Addr::LOCALHOST)) };
        let envelope = Envelope { client, sender, parameters: MailParameters::default(), recipients: to };
        Ok(Mail { name: self.path.display().to_string(), envelope, bytes })
    }

    /// The document as the only attachment of an otherwise empty mail.
    fn wrap(&self, content: Vec<u8>) -> Result<Vec<u8>, InputError> {
        let name = self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let kind = ContentType::parse("application/octet-stream").unwrap_or(ContentType::TEXT_PLAIN);
        let message = lettre::Message::builder()
            .from(lettre::message::Mailbox::new(
                None,
                lettre::Address::new("document", "localhost").map_err(|cause| self.failed(&cause))?,
            ))
            .to(lettre::message::Mailbox::new(
                None,
                lettre::Address::new("nobody", "invalid").map_err(|cause| self.failed(&cause))?,
            ))
            .multipart(
                MultiPart::mixed()
                    .singlepart(SinglePart::plain(String::new()))
                    .singlepart(Attachment::new(name).body(content, kind)),
            )
            .map_err(|cause| self.failed(&cause))?;
        Ok(message.formatted())
    }

    fn failed(&self, cause: &dyn std::error::Error) -> InputError {
        InputError::Compose { file: self.path.clone(), cause: cause.to_string() }
    }
}

/// The first address of From.
fn from_header(mail: &[u8]) -> Option<Address> {
    let header = Header::scan(mail);
    let field = header.fields().iter().find(|field| field.name == "from")?;
    recipients::field_addresses(header.value(field)).proper.into_iter().next()
}
