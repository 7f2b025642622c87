//! Settings as DescribeConfigs tells them.

use crate::requests::{Answer, Bytes, Connection};

pub(crate) const DESCRIBE_CONFIGS: (i16, i16) = (32, 1);

/// The value of one key of a resource, by its type and name.
pub(crate) fn described(connection: &mut Connection, (kind, name): (i8, &str), key: &str) -> String {
    let mut body = Bytes::default();
    body.i32(1).i8(kind).text(name).i32(1).text(key).i8(0);
    let answer = connection.ask(DESCRIBE_CONFIGS, &body.0);
    let mut answer = Answer(&answer);
    assert_eq!((answer.i32(), answer.i32(), answer.i16()), (0, 1, 0), "{}", answer.text());
    let _message = answer.text();
    assert_eq!((answer.i8(), answer.text().as_str(), answer.i32()), (kind, name, 1));
    assert_eq!(answer.text(), key);
    answer.text()
}
