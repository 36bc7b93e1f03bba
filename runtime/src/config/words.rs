//! The words that the parser of config.json knows, asked of the parser itself, so that no second list of them can be
//! wrong: the values of an enumeration, the members of an object.

use std::fmt;

use serde::de::value::{Error as ValueError, StrDeserializer};
use serde::de::{Deserialize, Deserializer, Error, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

/// The values of an enumeration, or the members of an object, in the order of the type; none for any other type.
pub fn of<T: Deserialize<'static>>() -> &'static [&'static str] {
    match T::deserialize(Question) {
        Err(Answer(words)) => words,
        Ok(_) => &[],
    }
}

/// The values of an enumeration, each with its word.
pub fn values<T: Deserialize<'static>>() -> impl Iterator<Item = (&'static str, T)> {
    let value = |word: &'static str| {
        let word: StrDeserializer<'_, ValueError> = word.into_deserializer();
        T::deserialize(word)
    };
    of::<T>().iter().filter_map(move |word| Some((*word, value(word).ok()?)))
}

/// Has nothing to read: a derived type asks for itself by its words, which is all there is to learn.
struct Question;

/// The words that were asked for.
#[derive(Debug)]
struct Answer(&'static [&'static str]);

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

impl std::error::Error for Answer {}

impl Error for Answer {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(&[])
    }
}

impl<'de> Deserializer<'de> for Question {
    type Error = Answer;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Answer> {
        Err(Answer(&[]))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Answer> {
        Err(Answer(variants))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Answer> {
        Err(Answer(fields))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::runtime::{Hook, LinuxSeccompOperator};

    #[test]
    fn enumeration_has_its_values() {
        let words: Vec<_> = values::<LinuxSeccompOperator>().collect();
        assert_eq!(words.len(), 7);
        assert_eq!(words.first(), Some(&("SCMP_CMP_NE", LinuxSeccompOperator::ScmpCmpNe)));
    }

    #[test]
    fn object_has_its_members() {
        assert_eq!(of::<Hook>(), ["path", "args", "env", "timeout"]);
        assert_eq!(of::<String>(), [""; 0]);
    }
}
