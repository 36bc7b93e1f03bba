//! overlayfs: a relative directory is one below the rootfs, as with runc, whose init has that as its own.

use std::path::Path;

/// A parameter of the file system with its directories absolute.
pub(super) fn absolute(parameter: String, root: &Path) -> String {
    let escaped =
        root.to_str().map(|root| root.replace('\\', "\\\\").replace(':', "\\:").replace(',', "\\,"));
    match (parameter.split_once('='), escaped) {
        (Some((key @ "lowerdir", value)), Some(root)) => {
            let directories: Vec<_> = layers(value).map(|directory| below(&root, directory)).collect();
            format!("{key}={}", directories.join(":"))
        }
        (Some((key @ ("upperdir" | "workdir"), value)), Some(root)) => {
            format!("{key}={}", below(&root, value))
        }
        _ => parameter,
    }
}

fn below(root: &str, directory: &str) -> String {
    // Two colons, for layers of data only, have nothing between them.
    if directory.is_empty() || directory.starts_with('/') {
        return directory.to_owned();
    }
    format!("{root}/{directory}")
}

/// The directories between colons that are not escaped.
fn layers(value: &str) -> impl Iterator<Item = &str> {
    let mut escaped = false;
    value.split(move |character| {
        let separates = character == ':' && !escaped;
        escaped = character == '\\' && !escaped;
        separates
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(parameter: &str) -> String {
        absolute(parameter.to_owned(), "/b:c/rootfs".as_ref())
    }

    #[test]
    fn relative_directories_are_below_the_root() {
        assert_eq!(
            of("lowerdir=a:/b:c\\:d::e"),
            "lowerdir=/b\\:c/rootfs/a:/b:/b\\:c/rootfs/c\\:d::/b\\:c/rootfs/e"
        );
        assert_eq!(of("upperdir=a:b"), "upperdir=/b\\:c/rootfs/a:b");
    }

    #[test]
    fn everything_else_stays() {
        for parameter in ["lowerdir=/a:/b", "workdir=/w", "redirect_dir=on", "ro"] {
            assert_eq!(of(parameter), parameter);
        }
    }
}
