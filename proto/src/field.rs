//! The types that an attribute, or the payload of a bulk message, can have.

use crate::frame::DecodeError;
use byteorder::{ByteOrder, NativeEndian};
use core::ffi::CStr;

/// The types, as data: for those who walk `step::TABLE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Type {
    U32,
    U64,
    Bool,
    Str,
    List,
    Words,
    Bytes,
}

/// A type on the wire: how it is read in place and, for the runtime, how it is owned and written.
pub trait Field {
    /// Which one it is.
    const TYPE: Type;
    /// The value, borrowed from the stream.
    type Ref<'a>: Copy + core::fmt::Debug + PartialEq;
    /// The value, owned.
    #[cfg(feature = "std")]
    type Owned: Clone + core::fmt::Debug + PartialEq;

    /// Reads the value from a payload.
    fn read(payload: &[u8]) -> Result<Self::Ref<'_>, DecodeError>;

    /// Appends the value's payload.
    #[cfg(feature = "std")]
    fn write(value: &Self::Owned, out: &mut std::vec::Vec<u8>);

    /// The value in a form that can be printed.
    #[cfg(feature = "std")]
    fn show(value: &Self::Owned) -> Value;

    /// The borrowed value as an owned one.
    #[cfg(feature = "std")]
    fn own(value: Self::Ref<'_>) -> Self::Owned;
}

/// A field's value for those who print plans.
#[cfg(feature = "std")]
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number.
    Number(u64),
    /// A truth value.
    Bool(bool),
    /// A string.
    Text(std::string::String),
    /// A list of strings.
    List(std::vec::Vec<std::string::String>),
    /// A list of numbers.
    Numbers(std::vec::Vec<u32>),
    /// Raw bytes.
    Bytes(std::vec::Vec<u8>),
}

/// A `u32`.
#[derive(Debug)]
pub enum U32 {}
/// A `u64`.
#[derive(Debug)]
pub enum U64 {}
/// A truth value, one byte.
#[derive(Debug)]
pub enum Bool {}
/// A NUL-terminated string, used in place as a syscall's argument.
#[derive(Debug)]
pub enum Str {}
/// NUL-terminated strings, one after the other.
#[derive(Debug)]
pub enum List {}
/// A sequence of `u32`.
#[derive(Debug)]
pub enum Words {}
/// Raw bytes.
#[derive(Debug)]
pub enum Bytes {}

/// NUL-terminated strings, one after the other, borrowed from the stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Strings<'a>(&'a [u8]);

impl<'a> Strings<'a> {
    /// The strings, in order.
    pub fn iter(&self) -> impl Iterator<Item = &'a CStr> + use<'a> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            let string = CStr::from_bytes_until_nul(rest).ok()?;
            rest = rest.get(string.count_bytes().saturating_add(1)..)?;
            Some(string)
        })
    }

    /// How many strings there are.
    pub fn count(&self) -> usize {
        self.0.iter().filter(|byte| **byte == 0).count()
    }
}

/// A sequence of `u32`, borrowed from the stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WordList<'a>(&'a [u8]);

impl<'a> WordList<'a> {
    /// The numbers, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.0.chunks_exact(4).map(NativeEndian::read_u32)
    }

    /// How many numbers there are.
    pub fn len(&self) -> usize {
        self.0.chunks_exact(4).len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The numbers as bytes of the machine's order, four-byte aligned in a well-formed stream.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

impl Field for U32 {
    const TYPE: Type = Type::U32;
    type Ref<'a> = u32;
    fn read(payload: &[u8]) -> Result<u32, DecodeError> {
        let bytes: &[u8; 4] = payload.try_into().map_err(|_| DecodeError::BadValue)?;
        Ok(NativeEndian::read_u32(bytes))
    }
    #[cfg(feature = "std")]
    type Owned = u32;
    #[cfg(feature = "std")]
    fn write(value: &u32, out: &mut std::vec::Vec<u8>) {
        out.extend_from_slice(&value.to_ne_bytes());
    }
    #[cfg(feature = "std")]
    fn show(value: &u32) -> Value {
        Value::Number(u64::from(*value))
    }
    #[cfg(feature = "std")]
    fn own(value: u32) -> u32 {
        value
    }
}

impl Field for U64 {
    const TYPE: Type = Type::U64;
    type Ref<'a> = u64;
    fn read(payload: &[u8]) -> Result<u64, DecodeError> {
        let bytes: &[u8; 8] = payload.try_into().map_err(|_| DecodeError::BadValue)?;
        Ok(NativeEndian::read_u64(bytes))
    }
    #[cfg(feature = "std")]
    type Owned = u64;
    #[cfg(feature = "std")]
    fn write(value: &u64, out: &mut std::vec::Vec<u8>) {
        out.extend_from_slice(&value.to_ne_bytes());
    }
    #[cfg(feature = "std")]
    fn show(value: &u64) -> Value {
        Value::Number(*value)
    }
    #[cfg(feature = "std")]
    fn own(value: u64) -> u64 {
        value
    }
}

impl Field for Bool {
    const TYPE: Type = Type::Bool;
    type Ref<'a> = bool;
    fn read(payload: &[u8]) -> Result<bool, DecodeError> {
        match payload {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(DecodeError::BadValue),
        }
    }
    #[cfg(feature = "std")]
    type Owned = bool;
    #[cfg(feature = "std")]
    fn write(value: &bool, out: &mut std::vec::Vec<u8>) {
        out.push(u8::from(*value));
    }
    #[cfg(feature = "std")]
    fn show(value: &bool) -> Value {
        Value::Bool(*value)
    }
    #[cfg(feature = "std")]
    fn own(value: bool) -> bool {
        value
    }
}

impl Field for Str {
    const TYPE: Type = Type::Str;
    type Ref<'a> = &'a CStr;
    fn read(payload: &[u8]) -> Result<&CStr, DecodeError> {
        CStr::from_bytes_with_nul(payload).map_err(|_| DecodeError::BadValue)
    }
    #[cfg(feature = "std")]
    type Owned = std::ffi::CString;
    #[cfg(feature = "std")]
    fn write(value: &std::ffi::CString, out: &mut std::vec::Vec<u8>) {
        out.extend_from_slice(value.as_bytes_with_nul());
    }
    #[cfg(feature = "std")]
    fn show(value: &std::ffi::CString) -> Value {
        Value::Text(value.to_string_lossy().into_owned())
    }
    #[cfg(feature = "std")]
    fn own(value: &CStr) -> std::ffi::CString {
        value.into()
    }
}

impl Field for List {
    const TYPE: Type = Type::List;
    type Ref<'a> = Strings<'a>;
    fn read(payload: &[u8]) -> Result<Strings<'_>, DecodeError> {
        match payload.last() {
            None | Some(0) => Ok(Strings(payload)),
            Some(_) => Err(DecodeError::BadValue),
        }
    }
    #[cfg(feature = "std")]
    type Owned = std::vec::Vec<std::ffi::CString>;
    #[cfg(feature = "std")]
    fn write(value: &Self::Owned, out: &mut std::vec::Vec<u8>) {
        value.iter().for_each(|s| out.extend_from_slice(s.as_bytes_with_nul()));
    }
    #[cfg(feature = "std")]
    fn show(value: &Self::Owned) -> Value {
        Value::List(value.iter().map(|s| s.to_string_lossy().into_owned()).collect())
    }
    #[cfg(feature = "std")]
    fn own(value: Strings<'_>) -> Self::Owned {
        value.iter().map(std::ffi::CString::from).collect()
    }
}

impl Field for Words {
    const TYPE: Type = Type::Words;
    type Ref<'a> = WordList<'a>;
    fn read(payload: &[u8]) -> Result<WordList<'_>, DecodeError> {
        match payload.chunks_exact(4).remainder() {
            [] => Ok(WordList(payload)),
            _ => Err(DecodeError::BadValue),
        }
    }
    #[cfg(feature = "std")]
    type Owned = std::vec::Vec<u32>;
    #[cfg(feature = "std")]
    fn write(value: &Self::Owned, out: &mut std::vec::Vec<u8>) {
        value.iter().for_each(|w| out.extend_from_slice(&w.to_ne_bytes()));
    }
    #[cfg(feature = "std")]
    fn show(value: &Self::Owned) -> Value {
        Value::Numbers(value.clone())
    }
    #[cfg(feature = "std")]
    fn own(value: WordList<'_>) -> Self::Owned {
        value.iter().collect()
    }
}

impl Field for Bytes {
    const TYPE: Type = Type::Bytes;
    type Ref<'a> = &'a [u8];
    fn read(payload: &[u8]) -> Result<&[u8], DecodeError> {
        Ok(payload)
    }
    #[cfg(feature = "std")]
    type Owned = std::vec::Vec<u8>;
    #[cfg(feature = "std")]
    fn write(value: &Self::Owned, out: &mut std::vec::Vec<u8>) {
        out.extend_from_slice(value);
    }
    #[cfg(feature = "std")]
    fn show(value: &Self::Owned) -> Value {
        Value::Bytes(value.clone())
    }
    #[cfg(feature = "std")]
    fn own(value: &[u8]) -> Self::Owned {
        value.into()
    }
}
