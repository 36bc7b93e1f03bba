//! The user of `skeg exec --user`.

use std::str::FromStr;

/// `UID[:GID]`, as numbers: names belong to the image, and are the caller's to look up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// The user ID inside the container.
    pub uid: u32,
    /// The group ID inside the container, if given.
    pub gid: Option<u32>,
}

/// Text that is no `UID[:GID]`.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("not a number below 4294967295: {0:?}")]
pub struct UserError(String);

impl FromStr for User {
    type Err = UserError;

    fn from_str(text: &str) -> Result<Self, UserError> {
        let (uid, gid) = match text.split_once(':') {
            Some((uid, gid)) => (uid, Some(gid)),
            None => (text, None),
        };
        Ok(Self { uid: id(uid)?, gid: gid.map(id).transpose()? })
    }
}

/// (uid_t)-1 means "leave as it is" to setresuid(2): taken for a user, it would leave root.
fn id(text: &str) -> Result<u32, UserError> {
    let error = || UserError(text.to_owned());
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(error());
    }
    text.parse().ok().filter(|&id| id != u32::MAX).ok_or_else(error)
}
