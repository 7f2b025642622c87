//! The model of one message definition: facts of the wire format, nothing of any codec.

use std::fmt;

/// A range of message versions, both ends included; `NONE` holds no version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    first: i16,
    last: i16,
}

impl Versions {
    pub const NONE: Versions = Versions { first: 0, last: -1 };

    /// `first` and every later version.
    pub const fn from(first: i16) -> Versions {
        Versions { first, last: i16::MAX }
    }

    /// Every range that ends before it starts is `NONE`.
    pub const fn between(first: i16, last: i16) -> Versions {
        if last < first { Versions::NONE } else { Versions { first, last } }
    }

    pub const fn is_none(self) -> bool {
        self.last < self.first
    }

    pub const fn contains(self, version: i16) -> bool {
        self.first <= version && version <= self.last
    }

    pub const fn contains_all(self, other: Versions) -> bool {
        other.is_none() || (self.first <= other.first && other.last <= self.last)
    }

    #[must_use]
    pub const fn intersect(self, other: Versions) -> Versions {
        let first = if self.first > other.first { self.first } else { other.first };
        let last = if self.last < other.last { self.last } else { other.last };
        Versions::between(first, last)
    }

    /// The smallest range that holds both.
    #[must_use]
    pub const fn hull(self, other: Versions) -> Versions {
        if self.is_none() {
            return other;
        }
        if other.is_none() {
            return self;
        }
        let first = if self.first < other.first { self.first } else { other.first };
        let last = if self.last > other.last { self.last } else { other.last };
        Versions::between(first, last)
    }

    /// First version of the range, or nothing for `NONE`.
    pub fn first(self) -> Option<i16> {
        (!self.is_none()).then_some(self.first)
    }

    /// Last version of the range (`i16::MAX` for an open one), or nothing for `NONE`.
    pub fn last(self) -> Option<i16> {
        (!self.is_none()).then_some(self.last)
    }

    /// Every version of a closed range in order; an open range runs to `i16::MAX`.
    pub fn iter(self) -> impl Iterator<Item = i16> {
        self.first..=self.last
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.first, self.last) {
            (first, last) if last < first => f.write_str("none"),
            (first, i16::MAX) => write!(f, "{first}+"),
            (first, last) if first == last => write!(f, "{first}"),
            (first, last) => write!(f, "{first}-{last}"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Request,
    Response,
    Header,
    /// A value inside records or other messages, with a version of its own.
    Value,
    /// The key of a record that a coordinator keeps; its number says what the record is.
    CoordinatorKey,
    /// The value of such a record.
    CoordinatorValue,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldType {
    Bool,
    Int8,
    Int16,
    Uint16,
    Int32,
    Uint32,
    Int64,
    Float64,
    Uuid,
    String,
    Bytes,
    Records,
    /// Name of a struct: inline in the field or common to the message.
    Struct(String),
    Array(Box<FieldType>),
}

impl FieldType {
    /// The element's type of an array, the type itself otherwise.
    pub fn element(&self) -> &FieldType {
        match self {
            FieldType::Array(element) => element,
            other => other,
        }
    }

    pub fn struct_name(&self) -> Option<&str> {
        match self.element() {
            FieldType::Struct(name) => Some(name),
            _ => None,
        }
    }
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FieldType::Bool => "bool",
            FieldType::Int8 => "int8",
            FieldType::Int16 => "int16",
            FieldType::Uint16 => "uint16",
            FieldType::Int32 => "int32",
            FieldType::Uint32 => "uint32",
            FieldType::Int64 => "int64",
            FieldType::Float64 => "float64",
            FieldType::Uuid => "uuid",
            FieldType::String => "string",
            FieldType::Bytes => "bytes",
            FieldType::Records => "records",
            FieldType::Struct(name) => name,
            FieldType::Array(element) => return write!(f, "[]{element}"),
        })
    }
}

/// A default value as the definition gives it.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    pub number: u32,
    /// Versions in which the field is in the tagged section; in its other versions it is an ordinary field.
    pub versions: Versions,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// As Kafka writes it, for example `TransactionalId`.
    pub name: String,
    pub kind: FieldType,
    pub versions: Versions,
    /// Versions in which null may be sent.
    pub nullable: Versions,
    pub tag: Option<Tag>,
    /// Nothing means the zero of the type (false, 0, empty, zero id; a struct of defaults).
    pub default: Option<Literal>,
    /// A value other than the default may silently be left out of versions that lack the field.
    pub ignorable: bool,
    /// Overrides the message's flexible versions for this field's own encoding.
    pub flexible: Option<Versions>,
    /// Fields of an inline struct; empty where the type names a common struct.
    pub fields: Vec<Field>,
}

/// A struct shared by several fields of one message.
#[derive(Clone, Debug, PartialEq)]
pub struct Struct {
    pub name: String,
    pub versions: Versions,
    pub fields: Vec<Field>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// As Kafka writes it, for example `ProduceRequest`.
    pub name: String,
    pub kind: Kind,
    pub api_key: Option<i16>,
    /// `NONE`: removed from the protocol, the number stays taken.
    pub versions: Versions,
    pub flexible: Versions,
    /// The newest version is still a draft and is not advertised by default.
    pub latest_unstable: bool,
    /// Listeners that accept the request: `broker`, `controller`.
    pub listeners: Vec<String>,
    pub fields: Vec<Field>,
    pub structs: Vec<Struct>,
}

impl Message {
    /// The fields of the struct that `field` is made of; empty for other types.
    pub fn fields_of<'m>(&'m self, field: &'m Field) -> &'m [Field] {
        let Some(name) = field.kind.struct_name() else { return &[] };
        if !field.fields.is_empty() {
            return &field.fields;
        }
        self.structs.iter().find(|s| s.name == name).map_or(&[], |s| &s.fields)
    }
}
