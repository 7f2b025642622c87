//! The node's manifest: one small file that names the journal generation which is valid.
//!
//! Text, one `name=value` a line, last the CRC-32C of what stands before it. It is replaced atomically; the
//! switch from one generation to the next is this file's rename.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::str::FromStr;

use millrace_core::base::ids::Durability;
use millrace_core::journal::BootNonce;
use millrace_rt::fs::FileIdentity;

use crate::directory::layout::Generation;

/// What a start finds and leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Number of this data directory, so that rings in shared memory are not taken for another's.
    pub node: u64,
    pub generation: Generation,
    /// Of that generation's journals and rings.
    pub boot: BootNonce,
    /// How many shards wrote that generation.
    pub shards: u16,
    pub slots: SlotShape,
    /// The last entry that the metadata log had when this was written.
    pub metadata_index: u64,
    /// The data directory: a copy of it is another one, and not the owner of the rings.
    pub directory: FileIdentity,
    /// The directory in shared memory that holds the rings; none where each lies beside its journal.
    pub rings: Option<PathBuf>,
    /// The length of each ring.
    pub ring_bytes: u64,
    /// Which life of the shared memory that is; empty where the machine does not say.
    pub memory: String,
    /// The broker's default: `process` promises that what is in the rings survives the process.
    pub durability: Durability,
    pub stopped: Stopped,
}

/// The slots of each shard's journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotShape {
    /// How many slots each of its journals has.
    pub count: u16,
    /// The length of each slot.
    pub bytes: u64,
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
        let rings = self.rings.as_ref().map(|dir| dir.display().to_string()).unwrap_or_default();
        let mut text = format!("{FORMAT}\n");
        let fields: [(&str, &dyn std::fmt::Display); 12] = [
            ("node", &format_args!("{:016x}", self.node)),
            ("generation", &self.generation.0),
            ("boot", &format_args!("{:016x}", self.boot.0)),
            ("shards", &self.shards),
            ("slots", &self.slots.count),
            ("slot-bytes", &self.slots.bytes),
            ("metadata-index", &self.metadata_index),
            ("directory", &format_args!("{}:{}", self.directory.device, self.directory.inode)),
            ("rings", &rings),
            ("ring-bytes", &self.ring_bytes),
            ("memory", &self.memory),
            ("durability", &durability_name(self.durability)),
        ];
        for (name, value) in fields {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name}={value}");
        }
        let _ = writeln!(text, "stopped={clean}");
        let checksum = crc32c::crc32c(text.as_bytes());
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
        let mut fields = Fields(lines);
        Ok(Manifest {
            node: fields.hex("node")?,
            generation: Generation(fields.number("generation")?),
            boot: BootNonce(fields.hex("boot")?),
            shards: fields.number("shards")?,
            slots: SlotShape { count: fields.number("slots")?, bytes: fields.number("slot-bytes")? },
            metadata_index: fields.number("metadata-index")?,
            directory: fields.directory()?,
            rings: Some(fields.text("rings")?).filter(|dir| !dir.is_empty()).map(PathBuf::from),
            ring_bytes: fields.number("ring-bytes")?,
            memory: fields.text("memory")?.to_owned(),
            durability: fields.durability()?,
            stopped: match fields.text("stopped")? {
                "clean" => Stopped::Clean,
                "unclean" => Stopped::Unclean,
                other => return Err(format!("stopped={other}")),
            },
        })
    }
}

fn durability_name(durability: Durability) -> &'static str {
    match durability {
        Durability::Power => "power",
        Durability::Process => "process",
    }
}

/// The lines of a manifest, in order.
struct Fields<'a>(std::str::Lines<'a>);

impl<'a> Fields<'a> {
    fn text(&mut self, name: &str) -> Result<&'a str, String> {
        let line = self.0.next().and_then(|line| line.strip_prefix(name));
        line.and_then(|line| line.strip_prefix('=')).ok_or_else(|| format!("it lacks {name}"))
    }

    fn number<N: FromStr>(&mut self, name: &str) -> Result<N, String> {
        let text = self.text(name)?;
        text.parse().map_err(|_| format!("{name}={text}"))
    }

    fn hex(&mut self, name: &str) -> Result<u64, String> {
        let text = self.text(name)?;
        u64::from_str_radix(text, 16).map_err(|_| format!("{name}={text}"))
    }

    fn directory(&mut self) -> Result<FileIdentity, String> {
        let text = self.text("directory")?;
        let parts = text.split_once(':').and_then(|(device, inode)| {
            Some(FileIdentity { device: device.parse().ok()?, inode: inode.parse().ok()? })
        });
        parts.ok_or_else(|| format!("directory={text}"))
    }

    fn durability(&mut self) -> Result<Durability, String> {
        match self.text("durability")? {
            "power" => Ok(Durability::Power),
            "process" => Ok(Durability::Process),
            other => Err(format!("durability={other}")),
        }
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
            slots: SlotShape { count: 8, bytes: 1 << 21 },
            metadata_index: 17,
            directory: FileIdentity { device: 66, inode: 1234 },
            rings: Some(PathBuf::from("/dev/shm")),
            ring_bytes: 1 << 24,
            memory: "a boot/27/1/99".to_owned(),
            durability: Durability::Process,
            stopped: Stopped::Unclean,
        };
        let text = manifest.encode();
        assert_eq!(names(&text), documented_names());
        assert_eq!(Manifest::decode(&text), Ok(manifest.clone()));
        let beside =
            Manifest { rings: None, memory: String::new(), durability: Durability::Power, ..manifest };
        assert_eq!(Manifest::decode(&beside.encode()), Ok(beside));
        for place in 0..text.trim_end().len() {
            let mut bytes = text.clone().into_bytes();
            bytes[place] ^= 1;
            let changed = String::from_utf8(bytes).unwrap();
            assert!(Manifest::decode(&changed).is_err(), "{changed}");
        }
    }

    fn names(text: &str) -> Vec<&str> {
        text.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect()
    }

    /// The lines that docs/formats.md names.
    fn documented_names() -> Vec<&'static str> {
        let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/formats.md"));
        let (_, rest) = page.split_once("<!-- begin manifest -->").unwrap();
        let (table, _) = rest.split_once("<!-- end manifest -->").unwrap();
        table.lines().filter_map(|row| row.strip_prefix("| `")?.split('`').next()).collect()
    }
}
