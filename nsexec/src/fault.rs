//! What can go wrong in one operation. Numbers only: the runtime, which made the plan, writes the sentence.

use crate::sys::Errno;
use skeg_proto::{Failure, Op, Stage};

/// A failed operation; the boot order adds the stage and the step's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The operation.
    pub op: Op,
    /// The kernel's errno; 0 where no syscall failed.
    pub errno: u32,
    /// What more there is to know, by the operation.
    pub detail: u32,
}

/// What a step returns.
pub type Result<T> = core::result::Result<T, Fault>;

impl Fault {
    /// A fault of a system call.
    pub fn new(op: Op, errno: Errno) -> Self {
        Self { op, errno: errno.raw_os_error().unsigned_abs(), detail: 0 }
    }

    /// A fault that no system call has found.
    pub fn without_errno(op: Op) -> Self {
        Self { op, errno: 0, detail: 0 }
    }

    /// With the detail that the operation defines.
    pub fn with(self, detail: u32) -> Self {
        Self { detail, ..self }
    }

    /// Whether the kernel refused with this errno.
    pub fn is(&self, errno: Errno) -> bool {
        self.errno == errno.raw_os_error().unsigned_abs()
    }

    /// With its place in the boot order. `step` is 0 where no step was under way.
    pub fn at(self, stage: Stage, step: u32) -> Failure {
        Failure { stage, step, op: self.op, errno: self.errno, detail: self.detail }
    }
}

/// Gives a system call's error its operation.
pub trait During<T> {
    /// The operation that this call belongs to.
    fn during(self, op: Op) -> Result<T>;
}

impl<T> During<T> for crate::sys::Result<T> {
    fn during(self, op: Op) -> Result<T> {
        self.map_err(|errno| Fault::new(op, errno))
    }
}

/// Gives a step's fault its place in the boot order.
pub trait At<T> {
    /// The stage and the step's number (0: no step).
    fn at(self, stage: Stage, step: u32) -> core::result::Result<T, Failure>;
}

impl<T> At<T> for Result<T> {
    fn at(self, stage: Stage, step: u32) -> core::result::Result<T, Failure> {
        self.map_err(|fault| fault.at(stage, step))
    }
}
