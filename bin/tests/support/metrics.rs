//! What a broker process shows to who watches it.

use std::io::{Read, Write};
use std::net::TcpStream;

/// What the log says when it does.
pub(crate) const SERVED: &str = "metrics and health are served";

/// The answer with all metrics.
pub(crate) fn metrics(admin: &str) -> String {
    let mut stream = TcpStream::connect(admin).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
