//! Text forms of names, ids and bytes.
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Bytes beyond which a value is shown by its length and checksum.
const SHOWN_BYTES_MAX: usize = 120;

/// A field's name as Kafka's own JSON form writes it: `topicData` for `TopicData`.
pub(crate) fn field_name(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect()
}

/// A UUID from the 22 characters that Kafka prints.
pub(crate) fn uuid_from_text(text: &str) -> Result<[u8; 16], String> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|e| format!("id {text:?}: {e}"))?;
    bytes.try_into().map_err(|_| format!("id {text:?} has not 16 bytes"))
}

pub(crate) fn text_from_uuid(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// `hex:00ff` is bytes, anything else stands for its own UTF-8.
pub(crate) fn bytes_from_text(text: &str) -> Result<Vec<u8>, String> {
    text.strip_prefix("hex:").map_or_else(|| Ok(text.as_bytes().to_vec()), hex_from_text)
}

pub(crate) fn hex_from_text(digits: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<u32> = digits
        .chars()
        .map(|c| c.to_digit(16).ok_or_else(|| format!("{c:?} is no hexadecimal digit")))
        .collect::<Result<_, _>>()?;
    let pairs = digits.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return Err("an odd number of hexadecimal digits".to_owned());
    }
    Ok(pairs.map(|pair| pair.iter().fold(0, |sum, digit| sum << 4 | *digit as u8)).collect())
}

/// Printable text as it is, other bytes as `hex:`, long ones as length and checksum.
pub(crate) fn text_from_bytes(bytes: &[u8]) -> String {
    if bytes.len() > SHOWN_BYTES_MAX {
        return format!("<{} bytes, crc32c {:08x}>", bytes.len(), crc32c::crc32c(bytes));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains(|c: char| c.is_control()) && !text.starts_with("hex:") => text.to_owned(),
        _ => hex_text(bytes),
    }
}

/// Bytes as `hex:00ff`.
pub(crate) fn hex_text(bytes: &[u8]) -> String {
    bytes.iter().fold("hex:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}
