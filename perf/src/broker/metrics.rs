//! What a broker says of itself at its admin listener.
#![expect(clippy::disallowed_types, reason = "a black box beside the broker: its sockets are the client's")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::error::ClientError;

const REQUEST: &str = "GET /metrics HTTP/1.1\r\nHost: millrace\r\nConnection: close\r\n\r\n";

/// All metrics, in the text format of Prometheus.
pub(crate) fn scrape(address: SocketAddr) -> Result<String, ClientError> {
    let mut answer = String::new();
    let asked = TcpStream::connect(address).and_then(|mut stream| {
        stream.write_all(REQUEST.as_bytes())?;
        stream.read_to_string(&mut answer)
    });
    asked.map_err(ClientError::io("asking for metrics"))?;
    if !answer.starts_with("HTTP/1.1 200 ") {
        let first = answer.lines().next().unwrap_or_default();
        return Err(ClientError::Broker(format!("the broker answered a question for metrics with {first}")));
    }
    Ok(answer)
}

/// The samples of one family: labels as they stand between the braces, and values.
pub(crate) fn samples(text: &str, family: &str) -> Vec<(String, f64)> {
    let sample = |line: &str| {
        let (labels, value) = line.strip_prefix(family)?.strip_prefix('{')?.rsplit_once("} ")?;
        Some((labels.to_owned(), value.trim().parse().ok()?))
    };
    text.lines().filter_map(sample).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_those_of_the_family_alone() {
        let text = "HTTP/1.1 200 OK\r\n\r\n# HELP f_total Of something.\n# TYPE f_total counter\n\
            f_total{shard=\"0\"} 12\nf_total{shard=\"1\"} 3.5\nf_total_more{shard=\"0\"} 4\nf_total 5\n";
        let expected = [("shard=\"0\"".to_owned(), 12.0), ("shard=\"1\"".to_owned(), 3.5)];
        assert_eq!(samples(text, "f_total"), expected);
        assert!(samples(text, "g").is_empty());
    }
}
