//! Why a config can't be compiled.

use skeg_proto::write::WriteError;

/// Why a config can't be compiled into a plan.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A string that would be a C string holds a NUL byte.
    #[error("{place}: a NUL byte in {value:?}")]
    Nul {
        /// The place in config.json.
        place: String,
        /// The string.
        value: String,
    },
    /// A property that the config must have here.
    #[error("{0}: missing")]
    Missing(&'static str),
    /// A value that can't be used.
    #[error("{place}: {reason}")]
    Invalid {
        /// The place in config.json.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A namespace in the config.
    #[error(transparent)]
    Namespaces(#[from] crate::namespaces::Error),
    /// A value too long for the wire.
    #[error(transparent)]
    Wire(#[from] WriteError),
}

impl Error {
    pub(super) fn invalid(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { place: place.into(), reason: reason.into() }
    }
}
