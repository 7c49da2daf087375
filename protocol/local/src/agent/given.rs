//! What a person gives: passwords, records, images. All of it hides itself in `Debug`.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// A password on its way to the vault; wiped on drop, never printed.
#[derive(Clone)]
pub struct Secret(pub Zeroizing<Vec<u8>>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_slice().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(|bytes| Self(Zeroizing::new(bytes)))
    }
}

/// One value of a record, as typed.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// A measured number, in the unit of its field.
    Number(f64),
    /// One of the field's codes.
    Code(String),
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Value(..)")
    }
}

/// A record: field names and values, in the order given. Patient data.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Record(pub Vec<(String, Value)>);

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record({} fields)", self.0.len())
    }
}

/// The pixels of an image, `[side, side, 3]` levels of red, green and blue. Patient data; wiped on drop.
#[derive(Clone)]
pub struct Pixels(pub Zeroizing<Vec<u8>>);

impl fmt::Debug for Pixels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pixels({} bytes)", self.0.len())
    }
}

impl Serialize for Pixels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        obscura_protocol::codec::bytes::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Pixels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        obscura_protocol::codec::bytes::deserialize(deserializer).map(|bytes| Self(Zeroizing::new(bytes)))
    }
}
