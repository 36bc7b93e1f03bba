//! stub
#[allow(missing_docs)]
pub struct Filter {
    pub program: Vec<u8>,
    pub flags: u32,
}
