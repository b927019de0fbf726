//! The server's own counters, from `/metrics` of its internal listener.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::Failure;

/// How long the answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// All counters at one moment, as Prometheus' text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters(String);

impl Counters {
    /// Asks a server; without an internal listener there are none.
    pub(crate) fn of(internal: Option<SocketAddr>) -> Result<Counters, Failure> {
        let Some(address) = internal else { return Ok(Counters::default()) };
        ask(address).map(Counters).map_err(|error| Failure(format!("/metrics of {address}: {error}")))
    }

    /// The sum over all labels of a name, or over those that hold `label`, such as `policy="gap"`.
    pub(crate) fn sum(&self, name: &str, label: &str) -> f64 {
        let of_line = |line: &str| -> Option<f64> {
            let rest = line.strip_prefix(name)?;
            let (labels, value) = rest.rsplit_once(' ')?;
            let fits = labels.is_empty() || labels.starts_with('{');
            (fits && labels.contains(label)).then(|| value.parse().ok())?
        };
        // The sum of nothing would be a negative nought.
        self.0.lines().filter_map(of_line).fold(0.0, |sum, value| sum + value)
    }
}

fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(
        format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes(),
    )?;
    let mut text = String::new();
    stream.take(1 << 20).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_summed_over_their_labels() {
        let text = "# TYPE encke_overflows counter\nencke_overflows_total{policy=\"gap\"} 3\n\
                    encke_overflows_total{policy=\"end\"} 4\nencke_gaps_total 5\nencke_gaps_total_more 6\n";
        let counters = Counters(text.to_owned());
        assert_eq!(counters.sum("encke_overflows_total", ""), 7.0);
        assert_eq!(counters.sum("encke_overflows_total", "policy=\"gap\""), 3.0);
        assert_eq!(counters.sum("encke_gaps_total", ""), 5.0);
        assert_eq!(counters.sum("encke_nothing", ""), 0.0);
    }

    #[test]
    fn a_server_without_an_internal_listener_counts_nothing() {
        assert_eq!(Counters::of(None).unwrap().sum("encke_gaps_total", ""), 0.0);
    }
}
