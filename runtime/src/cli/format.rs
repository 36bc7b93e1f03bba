//! The words of `--format`.

use std::fmt;
use std::str::FromStr;

/// A set of words that a flag may have, with how they are written.
macro_rules! words {
    ($(#[$doc:meta])* $type:ident { $($(#[$word_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub enum $type { $($(#[$word_doc])* $variant),+ }

        impl FromStr for $type {
            type Err = FormatError;

            fn from_str(text: &str) -> Result<Self, FormatError> {
                match text { $($word => Ok(Self::$variant),)+ _ => Err(FormatError) }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $word),+ })
            }
        }
    };
}

words! {
    /// What `list` and `ps` print.
    Format {
        /// Columns for people.
        #[default]
        Table = "table",
        /// JSON for programs.
        Json = "json",
    }
}

words! {
    /// What `check` prints.
    CheckFormat {
        /// One line for each problem.
        #[default]
        Text = "text",
        /// One object for programs.
        Json = "json",
    }
}

words! {
    /// What `plan` prints.
    PlanFormat {
        /// One line for each step.
        #[default]
        Text = "text",
        /// One object for each step.
        Json = "json",
        /// What nsexec reads.
        Bytes = "bytes",
        /// The same as hexadecimal digits.
        Hex = "hex",
    }
}

/// A word that is no format.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("invalid format option")]
pub struct FormatError;
