//! Names that an object has twice. JSON leaves open what that means; skeg takes the last one, and this says so.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::error::Problem;
use super::path::{At, ROOT};

/// The properties of a document that are there more than once.
pub(super) fn properties(text: &[u8]) -> Vec<Problem> {
    let found = RefCell::default();
    let look = Look { at: ROOT, found: &found };
    // What is no JSON was refused before.
    let _ = serde_json::Deserializer::from_slice(text).deserialize_any(look);
    found.into_inner()
}

/// Looks at one value and what is in it.
struct Look<'p> {
    at: At<'p>,
    found: &'p RefCell<Vec<Problem>>,
}

impl<'de> DeserializeSeed<'de> for Look<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<(), D::Error> {
        inner.deserialize_any(self)
    }
}

/// Values that have no parts.
macro_rules! visit {
    ($($method:ident: $ty:ty),*) => { $(
        fn $method<E>(self, _: $ty) -> Result<(), E> {
            Ok(())
        }
    )* };
}

impl<'de> Visitor<'de> for Look<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    visit!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let mut index = 0;
        while elements.next_element_seed(Look { at: self.at.index(index), found: self.found })?.is_some() {
            index += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            members.next_value_seed(Look { at: self.at.key(&name), found: self.found })?;
            if names.contains(&name) {
                let (path, message) =
                    (self.at.key(&name).to_string(), "is there twice: the last one counts".into());
                self.found.borrow_mut().push(Problem { path, message });
            }
            names.insert(name);
        }
        Ok(())
    }
}
