//! What is known of one config key: its type, default, limits, and whether it acts here.

use super::value::{ConfigError, Value};

/// Kafka's `ConfigDef.Type`; the number of each is the one DescribeConfigs answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigType {
    Boolean = 1,
    String = 2,
    Int = 3,
    Short = 4,
    Long = 5,
    Double = 6,
    List = 7,
    Class = 8,
    Password = 9,
}

impl ConfigType {
    /// The number DescribeConfigs answers with.
    pub fn code(self) -> i8 {
        self as i8
    }

    /// As Kafka spells it in messages.
    pub fn name(self) -> &'static str {
        match self {
            ConfigType::Boolean => "BOOLEAN",
            ConfigType::String => "STRING",
            ConfigType::Int => "INT",
            ConfigType::Short => "SHORT",
            ConfigType::Long => "LONG",
            ConfigType::Double => "DOUBLE",
            ConfigType::List => "LIST",
            ConfigType::Class => "CLASS",
            ConfigType::Password => "PASSWORD",
        }
    }
}

/// How much a key matters to most users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Importance {
    High,
    Medium,
    Low,
}

/// When a key may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateMode {
    /// Only by a restart.
    ReadOnly,
    /// While running, for one broker.
    PerBroker,
    /// While running, for one broker or for all.
    ClusterWide,
    /// A key of topics.
    Topic,
}

/// What setting a key changes in this broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Acts,
    /// Acts in part: the text says which part.
    InPart(&'static str),
    /// Checked and reported as Kafka does, and otherwise without effect.
    None,
}

/// What a value must be beyond its type.
#[derive(Debug, Clone, PartialEq)]
pub enum Validator {
    Any,
    /// `low` or more, and `high` or less where there is one; texts as messages print them.
    Range {
        low: &'static str,
        high: Option<&'static str>,
    },
    /// 1 to 9, or -1 for the codec's own default.
    GzipLevel,
    OneOf(Vec<&'static str>),
    OneOfAnyCase(Vec<&'static str>),
    /// A list; of these items only, where there are any.
    Items {
        allowed: Vec<&'static str>,
        filled: bool,
    },
    /// A string of at least one character.
    Filled,
    /// `*`, or partition:broker pairs.
    Replicas,
    /// A number of bytes with an optional unit KiB, MiB, GiB, TiB; at least this many.
    Size(u64),
}

/// One config key.
#[derive(Debug)]
pub struct Definition {
    pub name: &'static str,
    pub kind: ConfigType,
    /// `None`: no default, or null (see `required`).
    pub default: Option<Value>,
    /// The default as text.
    pub default_text: Option<&'static str>,
    pub required: bool,
    pub validator: Validator,
    pub importance: Importance,
    pub update: UpdateMode,
    /// Broker keys: the keys DescribeConfigs lists together, in order of precedence (only where there are several).
    /// Topic keys: the broker key that gives the default, if any.
    pub synonyms: Vec<&'static str>,
    pub effect: Effect,
    pub documentation: &'static str,
    /// Kafka's internal keys are accepted and not described.
    pub internal: bool,
}

impl Definition {
    /// Reads and checks a value as Kafka's `ConfigDef` does.
    pub fn parse(&self, text: &str) -> Result<Value, ConfigError> {
        let value = Value::parse(self.name, self.kind, text)?;
        super::value::check(self.name, &self.validator, value)
    }

    /// Password values are never shown.
    pub fn is_sensitive(&self) -> bool {
        self.kind == ConfigType::Password
    }

    /// Whether it can change only by a restart.
    pub fn is_read_only(&self) -> bool {
        self.update == UpdateMode::ReadOnly
    }

    /// Whether the key is one of ours.
    pub fn is_own(&self) -> bool {
        self.name.starts_with(OWN_PREFIX)
    }
}

/// Every key that Kafka does not know starts so.
pub const OWN_PREFIX: &str = "millrace.";
