//! The node's manifest: one small file that names the journal generation which is valid.
//!
//! Text, one `name=value` a line, last the CRC-32C of what stands before it. It is replaced atomically; the switch
//! from one generation to the next is this file's rename.

use std::fmt::Write as _;

use millrace_core::journal::BootNonce;

use crate::layout::Generation;

/// What a start finds and leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manifest {
    /// Number of this data directory, so that rings in shared memory are not taken for another's.
    pub node: u64,
    pub generation: Generation,
    /// Of that generation's journals and rings.
    pub boot: BootNonce,
    /// How many shards wrote that generation.
    pub shards: u16,
    /// How many slots each of its journals has.
    pub slots: u16,
    /// The length of each slot.
    pub slot_bytes: u64,
    /// The last entry that the metadata log had when this was written.
    pub metadata_index: u64,
    pub stopped: Stopped,
}

/// How the run that wrote a generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Everything is in segment files, the journal holds nothing.
    Clean,
    /// It runs, or it was ended from outside.
    Unclean,
}

const FORMAT: &str = "millrace-node-2";

impl Manifest {
    pub fn encode(&self) -> String {
        let clean = match self.stopped {
            Stopped::Clean => "clean",
            Stopped::Unclean => "unclean",
        };
        let mut text = format!(
            "{FORMAT}\nnode={:016x}\ngeneration={}\nboot={:016x}\nshards={}\nslots={}\nslot-bytes={}\n\
             metadata-index={}\nstopped={clean}\n",
            self.node,
            self.generation.0,
            self.boot.0,
            self.shards,
            self.slots,
            self.slot_bytes,
            self.metadata_index
        );
        let checksum = crc32c::crc32c(text.as_bytes());
        // Writing to a String cannot fail.
        let _ = writeln!(text, "checksum={checksum:08x}");
        text
    }

    /// Why a manifest cannot be read comes as the error's text.
    pub fn decode(text: &str) -> Result<Manifest, String> {
        let (body, checksum) = text.trim_end().rsplit_once("checksum=").ok_or("it has no checksum")?;
        if u32::from_str_radix(checksum, 16) != Ok(crc32c::crc32c(body.as_bytes())) {
            return Err("its checksum does not match".to_owned());
        }
        let mut lines = body.lines();
        if lines.next() != Some(FORMAT) {
            return Err(format!("it is not of the format {FORMAT}"));
        }
        let mut field = |name: &str| -> Result<&str, String> {
            let line =
                lines.next().and_then(|line| line.strip_prefix(name)).and_then(|line| line.strip_prefix('='));
            line.ok_or_else(|| format!("it lacks {name}"))
        };
        let node = u64::from_str_radix(field("node")?, 16).map_err(|error| error.to_string())?;
        let generation = field("generation")?.parse().map_err(|error| format!("generation: {error}"))?;
        let boot = u64::from_str_radix(field("boot")?, 16).map_err(|error| error.to_string())?;
        let shards = field("shards")?.parse().map_err(|error| format!("shards: {error}"))?;
        let slots = field("slots")?.parse().map_err(|error| format!("slots: {error}"))?;
        let slot_bytes = field("slot-bytes")?.parse().map_err(|error| format!("slot-bytes: {error}"))?;
        let metadata_index =
            field("metadata-index")?.parse().map_err(|error| format!("metadata-index: {error}"))?;
        let stopped = match field("stopped")? {
            "clean" => Stopped::Clean,
            "unclean" => Stopped::Unclean,
            other => return Err(format!("stopped={other}")),
        };
        let (generation, boot) = (Generation(generation), BootNonce(boot));
        Ok(Manifest { node, generation, boot, shards, slots, slot_bytes, metadata_index, stopped })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_refuses_any_changed_byte() {
        let manifest = Manifest {
            node: 0xfeed,
            generation: Generation(42),
            boot: BootNonce(7),
            shards: 3,
            slots: 8,
            slot_bytes: 1 << 21,
            metadata_index: 17,
            stopped: Stopped::Unclean,
        };
        let text = manifest.encode();
        assert_eq!(Manifest::decode(&text), Ok(manifest));
        for place in 0..text.trim_end().len() {
            let mut bytes = text.clone().into_bytes();
            bytes[place] ^= 1;
            let changed = String::from_utf8(bytes).unwrap();
            assert!(Manifest::decode(&changed).is_err(), "{changed}");
        }
    }
}
