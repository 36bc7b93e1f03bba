//! stub
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Layout {
    V2,
    V1(std::collections::BTreeMap<String, std::path::PathBuf>),
    Hybrid { v1: std::collections::BTreeMap<String, std::path::PathBuf>, unified: std::path::PathBuf },
    None,
}
