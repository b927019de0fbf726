//! Who is at the other end when a proxy stands between: what `Forwarded` (RFC 7239) or `X-Forwarded-For` says, as far
//! as it was said by proxies that are trusted. Nothing else that a proxy adds is believed, least of all
//! `X-Forwarded-Host` and `X-Forwarded-Proto`: for whom a request is says its `Host`.

use std::fmt::{self, Display};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::header::{self, HeaderMap, HeaderName};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::metrics::Metrics;
use crate::refusals::{Place, Refused};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// One who is trusted to say for whom it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum Proxy {
    /// Whoever can open our Unix socket.
    Unix,
    /// Whoever has such an address.
    Network(IpNet),
}

impl TryFrom<String> for Proxy {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "unix" {
            return Ok(Proxy::Unix);
        }
        let network = text.parse::<IpAddr>().map(IpNet::from).or_else(|_| text.parse::<IpNet>());
        network.map(Proxy::Network).map_err(|_| {
            format!("{text:?} is neither an address, nor a network such as \"10.0.0.0/8\", nor \"unix\"")
        })
    }
}

impl From<Proxy> for String {
    fn from(proxy: Proxy) -> Self {
        proxy.to_string()
    }
}

impl Display for Proxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Proxy::Unix => formatter.write_str("unix"),
            Proxy::Network(network) => network.fmt(formatter),
        }
    }
}

/// Those who are trusted.
#[derive(Clone, Copy)]
pub(crate) struct Proxies<'a>(pub(super) &'a [Proxy]);

impl Proxies<'_> {
    /// Whether what this peer says of its own peer is believed. No address is that of a Unix socket.
    pub(crate) fn trust(self, peer: Option<IpAddr>) -> bool {
        self.0.iter().any(|proxy| match (proxy, peer) {
            (Proxy::Unix, None) => true,
            (Proxy::Network(network), Some(address)) => network.contains(&address),
            _ => false,
        })
    }

    /// The address that a request comes from: the nearest one that is not trusted.
    pub(super) fn client(
        self,
        peer: Option<IpAddr>,
        headers: &HeaderMap,
        metrics: &Metrics,
    ) -> Option<IpAddr> {
        if self.0.is_empty() {
            return peer;
        }
        let [forwarded, list] = [&header::FORWARDED, &X_FORWARDED_FOR].map(|name| headers.contains_key(name));
        if !forwarded && !list {
            return peer;
        }
        if !self.trust(peer) {
            metrics.refused("forwarded_by_a_stranger");
            return peer;
        }
        let forwarded = forwarded.then(|| self.walk(peer, headers, &header::FORWARDED, node, metrics));
        let list = list.then(|| self.walk(peer, headers, &X_FORWARDED_FOR, address, metrics));
        match (forwarded, list) {
            (Some(one), Some(other)) if one != other => {
                // Most proxies write one of them and let the other pass, and nobody knows which: a client could
                // call itself anything in the one that passes.
                metrics.refused("forwarded_in_two_ways");
                let who = format!("a proxy of {} and {}", shown(one), shown(other));
                let (why, place) = ("forwarded_in_two_ways", Place::Nowhere);
                metrics.refusals.say(Refused { who: &who, address: peer, what: "forwarded", place, why });
                unknown(peer)
            }
            (Some(client), _) | (None, Some(client)) => client,
            (None, None) => peer,
        }
    }

    /// From us towards the client, as long as whoever wrote the next step is trusted. What cannot be read ends the way:
    /// before it, a client might have written anything.
    fn walk(
        self,
        peer: Option<IpAddr>,
        headers: &HeaderMap,
        name: &HeaderName,
        read: impl Fn(&str) -> Option<IpAddr>,
        metrics: &Metrics,
    ) -> Option<IpAddr> {
        let mut last = peer;
        for value in headers.get_all(name).iter().rev() {
            // A list that is no text is one step that cannot be read.
            for step in value.to_str().unwrap_or("?").rsplit(',') {
                if !self.trust(last) {
                    return last;
                }
                let Some(step) = read(step.trim_matches([' ', '\t'])) else {
                    metrics.refused("forwarded_unreadable");
                    return unknown(last);
                };
                last = Some(step.to_canonical());
            }
        }
        last
    }
}

/// Somebody behind a proxy, and nobody can say who: the proxy itself. All who are so behind a Unix socket count as one, since a
/// client that could be without an address would be without its bounds.
fn unknown(proxy: Option<IpAddr>) -> Option<IpAddr> {
    proxy.or(Some(Ipv4Addr::UNSPECIFIED.into()))
}

fn shown(address: Option<IpAddr>) -> String {
    address.map_or("nobody".to_owned(), |address| address.to_string())
}

/// An address as proxies write it: alone, or with a port, and then (RFC 3986) with brackets if it has colons.
fn address(text: &str) -> Option<IpAddr> {
    let bare = |text: &str| text.parse::<IpAddr>().ok();
    let bracketed = |text: &str| bare(text.strip_prefix('[')?.strip_suffix(']')?).filter(IpAddr::is_ipv6);
    let with_port = |text: &str| text.parse::<SocketAddr>().map(|socket| socket.ip()).ok();
    bare(text).or_else(|| bracketed(text)).or_else(|| with_port(text))
}

/// Whom an element of `Forwarded` is for. Read strictly: it was cut at a comma, and one that stood within quotes leaves
/// an odd quote on either side, which no element may have. So nothing that a client has a proxy quote is an element.
fn node(element: &str) -> Option<IpAddr> {
    let mut found = None;
    let mut rest = element;
    loop {
        let (name, value) = rest.split_once('=')?;
        let (value, after) = match value.strip_prefix('"') {
            // (A quoted address has nothing to escape.)
            Some(quoted) => quoted.split_once('"')?,
            None => value.split_at(value.find(';').unwrap_or(value.len())),
        };
        let plain = |text: &str| !text.contains(['"', '\\', ';', ' ', '\t']);
        if name.is_empty() || !plain(name) || !plain(value) {
            return None;
        }
        if name.eq_ignore_ascii_case("for") {
            // IPv6 stands in brackets here, always.
            let node = address(value).filter(|address| address.is_ipv4() || value.starts_with('['))?;
            if found.replace(node).is_some() {
                return None;
            }
        }
        match after.strip_prefix(';') {
            Some(more) => rest = more,
            None if after.is_empty() => return found,
            None => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(texts: &[&str]) -> Vec<Proxy> {
        texts.iter().map(|text| Proxy::try_from((*text).to_owned()).expect(text)).collect()
    }

    fn client(proxies: &[Proxy], peer: &str, headers: &[(&'static str, &str)]) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, http::HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
        }
        let peer = peer.parse().ok();
        let client = Proxies(proxies).client(peer, &map, &Metrics::new());
        client.map_or("none".to_owned(), |client| client.to_string())
    }

    #[test]
    fn the_nearest_that_is_not_trusted_is_the_client() {
        let known = proxies(&["127.0.0.1", "10.0.0.0/8", "::1", "2001:db8:1::/48"]);
        for (list, is) in [
            ("203.0.113.5", "203.0.113.5"),
            ("6.6.6.6, 203.0.113.5", "203.0.113.5"),
            ("6.6.6.6, 203.0.113.5, 10.1.2.3", "203.0.113.5"),
            ("6.6.6.6,203.0.113.5:4711,\t10.1.2.3:80", "203.0.113.5"),
            ("garbage, 203.0.113.5", "203.0.113.5"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:db8::7]:4711, 2001:db8:1::5", "2001:db8::7"),
            ("::ffff:203.0.113.5", "203.0.113.5"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
            ("10.0.0.2, 10.0.0.3", "10.0.0.2"),
            // What a trusted one could not say ends the way where it stands.
            ("203.0.113.5, unknown", "127.0.0.1"),
            ("203.0.113.5, unknown, 10.0.0.9", "10.0.0.9"),
            ("203.0.113.5,", "127.0.0.1"),
            ("", "127.0.0.1"),
            ("203.0.113", "127.0.0.1"),
            ("\"203.0.113.5\"", "127.0.0.1"),
            ("203.0.113.5:99999", "127.0.0.1"),
            ("\u{fc}", "127.0.0.1"),
        ] {
            assert_eq!(client(&known, "127.0.0.1", &[("x-forwarded-for", list)]), is, "{list:?}");
        }
        let two = [("x-forwarded-for", "6.6.6.6, 203.0.113.5"), ("x-forwarded-for", "10.0.0.1")];
        assert_eq!(client(&known, "::1", &two), "203.0.113.5");
        assert_eq!(client(&known, "192.0.2.1", &two), "192.0.2.1", "a stranger");
        assert_eq!(client(&[], "127.0.0.1", &two), "127.0.0.1", "nobody is trusted");
        assert_eq!(client(&known, "none", &two), "none", "a Unix socket is a stranger too");
        let unix = proxies(&["unix", "10.0.0.0/8"]);
        assert_eq!(client(&unix, "none", &two), "203.0.113.5");
        assert_eq!(client(&unix, "none", &[("x-forwarded-for", "unknown")]), "0.0.0.0", "someone");
    }

    #[test]
    fn forwarded_is_read_strictly() {
        let known = proxies(&["127.0.0.1", "10.0.0.0/8"]);
        for (list, is) in [
            ("for=203.0.113.5", "203.0.113.5"),
            ("For=\"203.0.113.5:80\";proto=https;by=10.0.0.1", "203.0.113.5"),
            ("for=6.6.6.6, proto=http;for=203.0.113.5, for=10.0.0.7;host=\"a:1\"", "203.0.113.5"),
            ("for=\"[2001:db8::7]:4711\"", "2001:db8::7"),
            ("for=\"[2001:db8::7]\"", "2001:db8::7"),
            ("for=\", for=203.0.113.5", "203.0.113.5"),
            ("for=2001:db8::7", "127.0.0.1"),
            ("for=unknown", "127.0.0.1"),
            ("for=_hidden", "127.0.0.1"),
            ("for=203.0.113.5;for=6.6.6.6", "127.0.0.1"),
            ("proto=https", "127.0.0.1"),
            ("for", "127.0.0.1"),
            ("for=\"203.0.113.5", "127.0.0.1"),
            ("for=203.0.113.5;", "127.0.0.1"),
            ("for=203.0.113.5 ;by=1", "127.0.0.1"),
            // What a client has had quoted.
            ("for=203.0.113.5;host=\"a, for=6.6.6.6\"", "127.0.0.1"),
            ("for=203.0.113.5;host=\"a, for=6.6.6.6;b=\"", "127.0.0.1"),
            ("for=203.0.113.5;host=\"a, for=6.6.6.6;b=\";by=\"\"", "127.0.0.1"),
            ("for=203.0.113.5;host=\"a, for=6.6.6.6;b=\";by=\"[::1]\"", "127.0.0.1"),
            ("for=203.0.113.5;host=\"a, for=6.6.6.6;b=\\\"x\\\"\"", "127.0.0.1"),
        ] {
            assert_eq!(client(&known, "127.0.0.1", &[("forwarded", list)]), is, "{list:?}");
        }
    }

    #[test]
    fn of_two_headers_that_disagree_neither_is_believed() {
        let known = proxies(&["127.0.0.1"]);
        for (forwarded, list, is) in [
            ("for=203.0.113.5", "203.0.113.5", "203.0.113.5"),
            ("for=6.6.6.6", "203.0.113.5", "127.0.0.1"),
            ("for=203.0.113.5", "6.6.6.6", "127.0.0.1"),
        ] {
            let headers = [("forwarded", forwarded), ("x-forwarded-for", list)];
            assert_eq!(client(&known, "127.0.0.1", &headers), is, "{forwarded} {list}");
        }
        let headers = [("forwarded", "for=6.6.6.6"), ("x-forwarded-for", "203.0.113.5")];
        assert_eq!(client(&proxies(&["unix"]), "none", &headers), "0.0.0.0", "bounds hold for it");
    }

    #[test]
    fn proxies_are_written_as_they_are_read() {
        for text in ["unix", "10.0.0.0/8", "2001:db8::/32"] {
            assert_eq!(String::from(proxies(&[text])[0]), text);
        }
        for text in ["", "localhost", "10.0.0.0/33", "10.0.0", "*", "10.0.0.1:80"] {
            assert!(Proxy::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
