//! Reads a document that is JSON values already, as strictly as `strict` does, and notes each property that no type wants,
//! with the names that are wanted in its place. For those who need to know: a plain parse takes a fraction of the time.

use std::cell::RefCell;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, Error as _, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Map, Value};

use super::path::{At, Place, ROOT, nearest, quote};

/// A property that no type wants.
pub(super) struct Ignored {
    /// Where it is.
    pub place: Place,
    name: String,
    known: &'static [&'static str],
}

impl Ignored {
    /// What is to be said of it.
    pub(super) fn message(&self) -> String {
        let near = nearest(&self.name, self.known.iter().copied());
        let near = near.map(|near| format!(" (did you mean {}?)", quote(near))).unwrap_or_default();
        format!("unknown property, ignored{near}")
    }
}

/// See the module.
pub(super) struct Reader<'de, 'p> {
    value: &'de Value,
    at: At<'p>,
    siblings: &'static [&'static str],
    ignored: &'p RefCell<Vec<Ignored>>,
}

impl<'de, 'p> Reader<'de, 'p> {
    /// A reader of a whole document.
    pub(super) fn new(value: &'de Value, ignored: &'p RefCell<Vec<Ignored>>) -> Self {
        Self { value, at: ROOT, siblings: &[], ignored }
    }

    fn object<V: Visitor<'de>>(
        self,
        members: &'de Map<String, Value>,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let Self { at, ignored, .. } = self;
        let members = members.iter().map(|(key, value)| {
            (key.as_str(), Reader { value, at: At::Key(&at, key), siblings: fields, ignored })
        });
        visitor.visit_map(MapDeserializer::new(members))
    }

    fn array<V: Visitor<'de>>(self, elements: &'de [Value], visitor: V) -> Result<V::Value, Error> {
        let Self { at, ignored, .. } = self;
        let elements = elements.iter().enumerate().map(|(index, value)| Reader {
            value,
            at: At::Index(&at, index),
            siblings: &[],
            ignored,
        });
        visitor.visit_seq(SeqDeserializer::new(elements))
    }
}

impl<'de> Deserializer<'de> for Reader<'de, '_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Value::Object(members) => self.object(members, &[], visitor),
            Value::Array(elements) => self.array(elements, visitor),
            value => value.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.value {
            Value::Object(members) => self.object(members, fields, visitor),
            Value::Array(_) => Err(Error::invalid_type(Unexpected::Seq, &visitor)),
            value => value.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.value.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if let At::Key(_, name) = self.at {
            let found = Ignored { place: self.at.place(), name: name.to_owned(), known: self.siblings };
            self.ignored.borrow_mut().push(found);
        }
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier
    }
}

impl<'de> IntoDeserializer<'de, Error> for Reader<'de, '_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}
