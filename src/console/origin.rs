//! Where a form was sent from: only our own pages may post to us.
//! It refuses every request that a browser marks as coming from another site; the signed token of the form is checked besides.

use axum::http::HeaderMap;
use axum::http::header::ORIGIN;

/// May a request with these headers change something? `base_url` is where the pages are (`https://guard.example.jp`).
///
/// Browsers say where a request comes from in Sec-Fetch-Site (W3C Fetch Metadata 2.3) when the page is served over TLS or
/// from this machine. Elsewhere there is Origin (RFC 6454 7), which is `null` for our own forms because of our
/// `Referrer-Policy: no-referrer`. A client that says neither is no browser of today and cannot be led by another site.
#[must_use]
pub fn is_own(headers: &HeaderMap, base_url: &str) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site.as_bytes() == b"same-origin";
    }
    match headers.get(ORIGIN).map(axum::http::HeaderValue::as_bytes) {
        None => true,
        Some(b"null") => base_url.starts_with("http://"),
        Some(origin) => origin.eq_ignore_ascii_case(origin_of(base_url).as_bytes()),
    }
}

/// Scheme, host and port of a URL.
fn origin_of(url: &str) -> &str {
    let Some((scheme, rest)) = url.split_once("://") else { return url };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    &url[..scheme.len() + 3 + host.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_may_post() {
        let (tls, plain) = ("https://guard.example.jp/", "http://guard.example.jp:8080");
        for (base, site, origin, own) in [
            (tls, Some("same-origin"), Some("null"), true),
            (tls, Some("same-origin"), None, true),
            (tls, Some("cross-site"), Some("https://guard.example.jp"), false),
            (tls, Some("same-site"), None, false),
            (tls, Some("none"), None, false),
            (tls, None, Some("https://guard.example.jp"), true),
            (tls, None, Some("https://guard.example.jp.evil.test"), false),
            (tls, None, Some("http://guard.example.jp"), false),
            (tls, None, Some("null"), false),
            (plain, None, Some("null"), true),
            (plain, None, Some("http://guard.example.jp:8080"), true),
            (plain, None, Some("http://guard.example.jp"), false),
            (tls, None, None, true),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(site) = site {
                headers.insert("sec-fetch-site", site.parse().unwrap());
            }
            if let Some(origin) = origin {
                headers.insert(ORIGIN, origin.parse().unwrap());
            }
            assert_eq!(is_own(&headers, base), own, "{base} {site:?} {origin:?}");
        }
    }
}
