//! The sender's browser: one GET and one POST, as a person would click.
//! It refuses anything but plain HTTP on the loopback; it exists for the demonstration alone.

use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer.
pub(super) struct Page {
    pub(super) status: u16,
    pub(super) body: String,
}

/// Opens a link.
pub(super) async fn get(url: &str) -> io::Result<Page> {
    request(url, "GET", "").await
}

/// Presses a button of a form on the page of a link.
pub(super) async fn post(url: &str, form: &str) -> io::Result<Page> {
    request(url, "POST", form).await
}

async fn request(url: &str, method: &str, form: &str) -> io::Result<Page> {
    let rest = url.strip_prefix("http://").ok_or(io::ErrorKind::Unsupported)?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(host).await?;
    let head = format!(
        "{method} /{path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nConnection: close\r\nAccept-Language: en\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok(Page { status, body: body.to_owned() })
}
