//! A member of a classic group, alone in it, by the bytes of its requests.

use crate::requests::{Answer, Bytes, Connection};

const JOIN_GROUP: (i16, i16) = (11, 3);
const SYNC_GROUP: (i16, i16) = (14, 1);
/// Longer than a test takes: no heartbeat is sent.
const SESSION_MS: i32 = 300_000;

/// In its group as long as it lives.
pub(crate) struct Member {
    _connection: Connection,
    pub(crate) id: String,
}

impl Member {
    /// Joins as the first and leads: it gives itself these partitions.
    pub(crate) fn join(address: &str, group: &str, topic: &str, partitions: &[i32]) -> Member {
        let mut connection = Connection::open(address);
        let mut body = Bytes::default();
        body.text(group)
            .i32(SESSION_MS)
            .i32(SESSION_MS)
            .text("")
            .text("consumer")
            .i32(1)
            .text("range")
            .bytes(b"");
        let answer = connection.ask(JOIN_GROUP, &body.0);
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
        let answer = connection.ask(SYNC_GROUP, &body.0);
        assert_eq!((Answer(&answer).i32(), Answer(&answer[4..]).i16()), (0, 0), "the member is synced");
        Member { _connection: connection, id }
    }
}

impl Bytes {
    fn bytes(&mut self, bytes: &[u8]) -> &mut Bytes {
        self.i32(bytes.len() as i32);
        self.0.extend(bytes);
        self
    }
}
