//! Sequences with a maximum length, checked while they are decoded, so that a small input cannot ask for
//! much memory.

use std::{fmt, marker::PhantomData};

use serde::{Deserialize, Deserializer, de};

/// Decodes at most `MAX` elements.
pub(crate) fn sequence<'de, D, T, const MAX: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Visitor<T, const MAX: usize>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>, const MAX: usize> de::Visitor<'de> for Visitor<T, MAX> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {MAX} elements")
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<T>, A::Error> {
            let mut out = Vec::new();
            while let Some(element) = elements.next_element()? {
                if out.len() == MAX {
                    return Err(de::Error::invalid_length(MAX + 1, &self));
                }
                out.push(element);
            }
            Ok(out)
        }
    }
    deserializer.deserialize_seq(Visitor::<T, MAX>(PhantomData))
}
