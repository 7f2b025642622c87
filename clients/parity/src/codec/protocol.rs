//! Every API of the schema folder: its request, its response and their headers.
#![expect(clippy::disallowed_methods, reason = "a command line tool reads its own files directly")]

use super::decode::decode_message;
use super::encode::encode_message;
use crate::primitives::{Reader, Writer};
use millrace_schema::{Kind, Message, parse};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Key of ApiVersions, whose answers always have the oldest header so that any client can read them.
const API_VERSIONS_KEY: i16 = 18;

pub(crate) struct Api {
    pub(crate) key: i16,
    pub(crate) request: Message,
    pub(crate) response: Message,
}

/// The messages of all APIs by name (`Produce`), the request header, and what requests hold as bytes.
pub(crate) struct Protocol {
    apis: BTreeMap<String, Api>,
    embedded: BTreeMap<String, Message>,
    header: Message,
}

impl Protocol {
    pub(crate) fn load(folder: &Path) -> Result<Protocol, String> {
        let (mut requests, mut responses, mut header) = (BTreeMap::new(), BTreeMap::new(), None);
        let mut embedded = BTreeMap::new();
        let entries = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        for entry in entries {
            let path = entry.map_err(|e| e.to_string())?.path();
            let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            let message = parse(&text).map_err(|e| format!("{}: {e}", path.display()))?;
            match (message.kind, message.api_key) {
                (Kind::Request, Some(key)) => _ = requests.insert(key, message),
                (Kind::Response, Some(key)) => _ = responses.insert(key, message),
                (Kind::Value, _) => _ = embedded.insert(message.name.clone(), message),
                (Kind::Header, _) if message.name == "RequestHeader" => header = Some(message),
                _ => {}
            }
        }
        let header = header.ok_or("the schema has no RequestHeader")?;
        let mut apis = BTreeMap::new();
        for (key, request) in requests {
            let name = request.name.trim_end_matches("Request").to_owned();
            let response = responses.remove(&key).ok_or_else(|| format!("{name} has no response"))?;
            apis.insert(name, Api { key, request, response });
        }
        Ok(Protocol { apis, embedded, header })
    }

    pub(crate) fn api(&self, name: &str) -> Result<&Api, String> {
        self.apis.get(name).ok_or_else(|| format!("there is no API {name}"))
    }

    /// The version, then the message: `ConsumerProtocolSubscription` and its like.
    pub(crate) fn encode_embedded(
        &self,
        name: &str,
        version: i16,
        fields: &Value,
    ) -> Result<Vec<u8>, String> {
        let message = self.embedded.get(name).ok_or_else(|| format!("there is no message {name}"))?;
        let mut out = Writer::default();
        out.integer(i64::from(version), 2);
        encode_message(message, version, fields, &mut out)?;
        Ok(out.bytes)
    }

    /// Header and body of a request, without the length in front.
    pub(crate) fn encode_request(
        &self,
        api: &Api,
        version: i16,
        correlation_id: i32,
        client_id: &Value,
        fields: &Value,
    ) -> Result<Vec<u8>, String> {
        let flexible = api.request.flexible.contains(version);
        let header = json!({
            "requestApiKey": api.key,
            "requestApiVersion": version,
            "correlationId": correlation_id,
            "clientId": client_id,
        });
        let mut out = Writer::default();
        encode_message(&self.header, if flexible { 2 } else { 1 }, &header, &mut out)?;
        encode_message(&api.request, version, fields, &mut out)?;
        Ok(out.bytes)
    }

    /// Reads an answer's header and body; what is left over shows as `trailingBytes`.
    pub(crate) fn decode_response(api: &Api, version: i16, frame: &[u8]) -> Result<(i32, Value), String> {
        let mut reader = Reader::new(frame);
        let correlation_id = reader.int32()?;
        if api.key != API_VERSIONS_KEY && api.response.flexible.contains(version) {
            let tags = reader.unsigned_varint()?;
            if tags != 0 {
                return Err(format!("{tags} tagged fields in the response header"));
            }
        }
        let mut value = decode_message(&api.response, version, &mut reader)?;
        if let (false, Value::Object(members)) = (reader.left() == 0, &mut value) {
            members.insert("trailingBytes".to_owned(), Value::from(reader.left()));
        }
        Ok((correlation_id, value))
    }
}
