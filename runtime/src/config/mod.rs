//! stub
#[allow(missing_docs)]
pub mod mount_options {
    #[derive(Clone, Debug, Default)]
    pub struct MountOptions {
        pub bind: Option<bool>,
        pub attr_set: u64,
        pub attr_clear: u64,
        pub tree_set: u64,
        pub tree_clear: u64,
        pub propagation: Vec<u32>,
        pub superblock: Vec<String>,
        pub data: Vec<String>,
    }
    pub fn parse(_o: &[String]) -> MountOptions {
        todo!()
    }
    pub const PROPAGATION: &[(&str, u32)] = &[];
}
