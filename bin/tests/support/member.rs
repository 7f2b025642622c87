//! A member of a classic group, alone in it, by the bytes of its requests.

use std::io::{Read, Write};
use std::net::TcpStream;

/// Client id, and what its member id begins with.
pub(crate) const CLIENT: &str = "member-of-a-test";

const JOIN_GROUP: (i16, i16) = (11, 3);
const SYNC_GROUP: (i16, i16) = (14, 1);
/// Longer than a test takes: no heartbeat is sent.
const SESSION_MS: i32 = 300_000;

/// In its group as long as it lives.
pub(crate) struct Member {
    stream: TcpStream,
    pub(crate) id: String,
}

impl Member {
    /// Joins as the first and leads: it gives itself these partitions.
    pub(crate) fn join(address: &str, group: &str, topic: &str, partitions: &[i32]) -> Member {
        let mut member = Member { stream: TcpStream::connect(address).unwrap(), id: String::new() };
        let mut body = Bytes::default();
        body.text(group)
            .i32(SESSION_MS)
            .i32(SESSION_MS)
            .text("")
            .text("consumer")
            .i32(1)
            .text("range")
            .bytes(b"");
        let answer = member.ask(JOIN_GROUP, &body.0);
        let mut answer = Answer(&answer);
        // Throttle time and error, generation, protocol, leader, own id.
        assert_eq!((answer.i32(), answer.i16()), (0, 0), "the member joins");
        let generation = answer.i32();
        let (protocol, leader, id) = (answer.text(), answer.text(), answer.text());
        assert_eq!((protocol.as_str(), &leader), ("range", &id));
        let mut assignment = Bytes::default();
        assignment.i16(0).i32(1).text(topic).i32(partitions.len() as i32);
        for partition in partitions {
            assignment.i32(*partition);
        }
        assignment.i32(-1);
        let mut body = Bytes::default();
        body.text(group).i32(generation).text(&id).i32(1).text(&id).bytes(&assignment.0);
        let answer = member.ask(SYNC_GROUP, &body.0);
        assert_eq!((Answer(&answer).i32(), Answer(&answer[4..]).i16()), (0, 0), "the member is synced");
        Member { id, ..member }
    }

    /// Sends a request and answers what stands behind the header of its answer.
    fn ask(&mut self, (key, version): (i16, i16), body: &[u8]) -> Vec<u8> {
        let mut request = Bytes::default();
        request.i16(key).i16(version).i32(1).text(CLIENT);
        request.0.extend_from_slice(body);
        let length = (request.0.len() as u32).to_be_bytes();
        self.stream.write_all(&[&length[..], &request.0].concat()).unwrap();
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).unwrap();
        let mut answer = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut answer).unwrap();
        answer.split_off(4)
    }
}

#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn i16(&mut self, value: i16) -> &mut Bytes {
        self.0.extend(value.to_be_bytes());
        self
    }

    fn i32(&mut self, value: i32) -> &mut Bytes {
        self.0.extend(value.to_be_bytes());
        self
    }

    fn text(&mut self, text: &str) -> &mut Bytes {
        self.i16(text.len() as i16);
        self.0.extend(text.as_bytes());
        self
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Bytes {
        self.i32(bytes.len() as i32);
        self.0.extend(bytes);
        self
    }
}

struct Answer<'a>(&'a [u8]);

impl Answer<'_> {
    fn i16(&mut self) -> i16 {
        let (value, rest) = self.0.split_first_chunk().unwrap();
        self.0 = rest;
        i16::from_be_bytes(*value)
    }

    fn i32(&mut self) -> i32 {
        let (value, rest) = self.0.split_first_chunk().unwrap();
        self.0 = rest;
        i32::from_be_bytes(*value)
    }

    fn text(&mut self) -> String {
        let length = self.i16() as usize;
        let (text, rest) = self.0.split_at(length);
        self.0 = rest;
        String::from_utf8(text.to_vec()).unwrap()
    }
}
