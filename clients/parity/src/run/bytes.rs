//! Raw bytes of a case: `i16:18 str:name hex:00ff zeros:8 uvarint:300`.
use crate::primitives::{Writer, hex_from_text};
use crate::text::{Variables, substitute};
use serde_json::Value;

/// Most zero bytes that one piece may stand for.
const ZEROS_MAX: usize = 8 << 20;

pub(crate) fn assemble(pieces: &str, variables: &Variables) -> Result<Vec<u8>, String> {
    let pieces = substitute(&Value::from(format!(" {pieces}")), variables)?;
    let mut out = Writer::default();
    for piece in pieces.as_str().unwrap_or_default().split_ascii_whitespace() {
        let (kind, value) =
            piece.split_once(':').ok_or_else(|| format!("{piece}: kind:value is expected"))?;
        put(kind, value, &mut out).map_err(|e| format!("{piece}: {e}"))?;
    }
    Ok(out.bytes)
}

fn put(kind: &str, value: &str, out: &mut Writer) -> Result<(), String> {
    let number = || value.parse::<i64>().map_err(|e| e.to_string());
    match kind {
        "i8" => out.integer(number()?, 1),
        "i16" => out.integer(number()?, 2),
        "i32" => out.integer(number()?, 4),
        "i64" => out.integer(number()?, 8),
        "uvarint" => out.unsigned_varint(number()? as u64),
        "hex" => out.put(&hex_from_text(value)?),
        "zeros" => out.put(&vec![0; (number()? as usize).min(ZEROS_MAX)]),
        "str" => {
            out.integer(value.len() as i64, 2);
            out.put(value.as_bytes());
        }
        "compact" => {
            out.unsigned_varint(value.len() as u64 + 1);
            out.put(value.as_bytes());
        }
        _ => return Err("unknown kind".to_owned()),
    }
    Ok(())
}
