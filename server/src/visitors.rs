//! Which pages may come in. A page on the internet can reach 127.0.0.1, and so can one whose name was
//! rebound to it (DNS rebinding), so every door asks here first.

use std::net::IpAddr;

use http::header::{self, HeaderMap};
use http::{Uri, uri::Authority};

/// Whom the public listener lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visitors {
    /// Development: programs on this machine and pages served from it.
    Loopback,
    /// Programs everywhere, and pages of the server's own origin (RFC 6454) and of those that are named.
    SameOrigin,
    /// Programs everywhere, and pages from everywhere: `--insecure`.
    Anyone,
}

/// How somebody who has come in may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Welcome {
    /// A program, a page of the server's own origin, or one that is named: with its user's cookies.
    Known,
    /// A page that only `*` or `null` lets in. It could be anybody's, so it is nobody's user.
    Stranger,
}

/// Any page.
const ANY: &str = "*";

/// What browsers say for pages without an origin: files, and frames in a sandbox, whoever has put them there.
const NONE: &str = "null";

impl Visitors {
    /// Whether this is the open mode of `encke dev`.
    pub fn is_development(self) -> bool {
        self != Visitors::SameOrigin
    }

    /// Checks a request's `Host` and `Origin`. `others` are the origins of pages elsewhere that production lets in, exact.
    ///
    /// # Errors
    /// A sentence for the response's body.
    pub fn check(self, headers: &HeaderMap, uri: &Uri, others: &[String]) -> Result<Welcome, &'static str> {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let origin = origins.next().map(|origin| origin.to_str().unwrap_or("null"));
        if headers.get_all(header::HOST).iter().nth(1).is_some() || origins.next().is_some() {
            return Err("a request has one Host and at most one Origin");
        }
        self.lets_in(origin, headers, uri, others)
    }

    /// Checks a request for a script. Browsers send no `Origin` with it, so a page elsewhere would pass as a program: it
    /// is told by `Sec-Fetch-Site` (W3C Fetch Metadata), and has to say in `Referer` which page it is.
    ///
    /// # Errors
    /// A sentence for the response's body.
    pub fn check_script(
        self,
        headers: &HeaderMap,
        uri: &Uri,
        others: &[String],
    ) -> Result<Welcome, &'static str> {
        let referer = headers.get(header::REFERER).map(|referer| referer.to_str().unwrap_or("null"));
        let is_elsewhere =
            headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none");
        match referer.map(origin_of) {
            None if is_elsewhere && self != Visitors::Anyone => Err(
                "a page of another origin that loads scripts here has to send a Referer: see Referrer-Policy",
            ),
            page => self.lets_in(page, headers, uri, others),
        }
    }

    fn lets_in(
        self,
        origin: Option<&str>,
        headers: &HeaderMap,
        uri: &Uri,
        others: &[String],
    ) -> Result<Welcome, &'static str> {
        let host = host(headers, uri);
        let is_written = |name: &str| others.iter().any(|other| other == name);
        match self {
            Visitors::Anyone if origin == Some(NONE) => Ok(Welcome::Stranger),
            Visitors::Anyone => Ok(Welcome::Known),
            Visitors::Loopback => {
                // HTTP/1.0 knows no Host, and no page speaks it.
                if !host.is_none_or(is_loopback) {
                    return Err(
                        "development mode answers only under a loopback name: use localhost or 127.0.0.1",
                    );
                }
                match origin {
                    Some(origin) if !is_loopback(authority(origin)) => {
                        Err("development mode is open to this machine, not to web pages elsewhere")
                    }
                    _ => Ok(Welcome::Known),
                }
            }
            Visitors::SameOrigin => match (origin, host) {
                (None, _) => Ok(Welcome::Known),
                (Some(origin), _) if origin != NONE && is_written(origin) => Ok(Welcome::Known),
                (Some(origin), Some(host)) if is_own(origin, host, headers) => Ok(Welcome::Known),
                (Some(NONE), _) if is_written(NONE) => Ok(Welcome::Stranger),
                _ if is_written(ANY) => Ok(Welcome::Stranger),
                _ => Err("pages of this origin are not among those that this server lets in"),
            },
        }
    }
}

/// Checks an origin of the configuration: one that no browser would write so would never let anybody in.
///
/// # Errors
/// What it should be.
pub fn check_origin(origin: &str) -> Result<(), &'static str> {
    if origin == ANY || origin == NONE {
        return Ok(());
    }
    let like = "has to be written as browsers do, such as https://app.example or http://localhost:5173";
    let (scheme, authority) = origin.split_once("://").ok_or(like)?;
    let named: Authority = authority.parse().map_err(|_| like)?;
    let is_default = matches!((scheme, named.port_u16()), ("http", Some(80)) | ("https", Some(443)));
    if is_default {
        return Err("names the port that goes without saying: browsers leave it out");
    }
    let plain = !scheme.is_empty() && !named.host().is_empty() && !authority.ends_with(':');
    let lower = !origin.contains(|letter: char| letter.is_ascii_uppercase() || "@*,% ".contains(letter));
    if plain && lower { Ok(()) } else { Err(like) }
}

/// Whether a page is of this server: its origin names the same host. Which scheme a client has used only the proxy before us
/// knows; but a browser that has come by `https` says when the page was not of the same one.
fn is_own(origin: &str, host: &str, headers: &HeaderMap) -> bool {
    authority(origin).eq_ignore_ascii_case(host)
        && headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin")
}

/// Whom a request is for.
fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    // RFC 9112, section 3.2.2: a URL that names its host counts, and the field does not. A name that is no text is
    // nobody's.
    let field = headers.get(header::HOST).map(|host| host.to_str().unwrap_or(""));
    uri.authority().map(Authority::as_str).or(field)
}

/// The origin of a page's URL: what stands before its path.
fn origin_of(url: &str) -> &str {
    let path = url.find("://").and_then(|colon| Some(colon + 3 + url[colon + 3..].find(['/', '?', '#'])?));
    &url[..path.unwrap_or(url.len())]
}

/// What follows `://`; for anything else (`null`), something that is no host.
fn authority(origin: &str) -> &str {
    origin.split_once("://").map_or("", |(_, authority)| authority)
}

/// Whether a host, with or without a port, is a name of this machine for itself.
fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    if authority.as_str().contains('@') {
        return false;
    }
    let name = authority.host();
    let address = name.trim_start_matches('[').trim_end_matches(']');
    match address.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        // RFC 6761, section 6.3: localhost and what is below it.
        Err(_) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1",
            "127.9.9.9:1",
            "[::1]:8080",
            "app.localhost",
            "localhost.",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "example.com",
            "localhost.example.com",
            "127.0.0.1.example.com",
            "0.0.0.0",
            "10.0.0.1",
            "a@localhost",
            "[::2]",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
