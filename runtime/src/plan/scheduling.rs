//! How the process gets CPU time, I/O and memory: scheduler, I/O priority, CPU affinity, memory policy; and its
//! personality. All of it before READY, so that what the kernel refuses is an error of `create`.

use super::Builder;
use crate::config::list;
use oci_spec::runtime::{
    IOPriorityClass, LinuxMemoryPolicy, LinuxPersonality, LinuxPersonalityDomain, LinuxSchedulerFlag,
    LinuxSchedulerPolicy, MemoryPolicyFlagType, MemoryPolicyModeType, Process,
};
use skeg_proto::step::StepBuf;

/// The mask with every CPU that Linux can have (NR_CPUS is at most 8192).
const ALL_CPUS: [u8; 1024] = [0xff; 1024];

impl Builder {
    /// The caller may be bound to some CPUs; the container is not (its cpuset decides).
    pub(super) fn affinity(&mut self) {
        self.push(StepBuf::Affinity { mask: ALL_CPUS.to_vec(), flags: 0 }, "CPU affinity");
    }

    /// `process.execCPUAffinity`, for `exec`: `initial` is the runtime's own by now, and stays where there is no
    /// `final`.
    pub(super) fn exec_affinity(&mut self, process: &Process) {
        let affinity = process.exec_cpu_affinity().as_ref();
        let listed =
            |list: Option<&String>| list.map(|list| list::mask(list)).filter(|mask| !mask.is_empty());
        let initial = listed(affinity.and_then(|affinity| affinity.initial().as_ref()));
        match listed(affinity.and_then(|affinity| affinity.cpu_affinity_final().as_ref())) {
            Some(mask) => {
                self.push(StepBuf::Affinity { mask, flags: 0 }, "process.execCPUAffinity.final");
            }
            None if initial.is_none() => self.affinity(),
            None => {}
        }
    }

    /// `process.scheduler` and `process.ioPriority`.
    pub(super) fn scheduling(&mut self, process: &Process) {
        if let Some(scheduler) = process.scheduler() {
            let flags =
                scheduler.flags().iter().flatten().fold(0, |flags, flag| flags | scheduler_flag(*flag));
            let step = StepBuf::Scheduler {
                policy: scheduler_policy(*scheduler.policy()),
                nice: scheduler.nice().unwrap_or_default() as u32,
                priority: u32::try_from(scheduler.priority().unwrap_or_default()).unwrap_or_default(),
                flags,
                runtime: scheduler.runtime().unwrap_or_default(),
                deadline: scheduler.deadline().unwrap_or_default(),
                period: scheduler.period().unwrap_or_default(),
            };
            self.push(step, format!("process.scheduler ({})", scheduler.policy()));
        }
        if let Some(priority) = process.io_priority() {
            const CLASS_SHIFT: u32 = 13;
            let level = u32::try_from(priority.priority()).unwrap_or_default();
            let value = io_class(priority.class()) << CLASS_SHIFT | level;
            self.push(StepBuf::IoPriority { value }, format!("process.ioPriority ({})", priority.class()));
        }
    }

    /// `linux.personality` and `linux.memoryPolicy`, of the container and of what `exec` runs in it.
    pub(super) fn personality(
        &mut self,
        personality: Option<&LinuxPersonality>,
        policy: Option<&LinuxMemoryPolicy>,
    ) {
        if let Some(personality) = personality {
            let domain = match personality.domain() {
                LinuxPersonalityDomain::PerLinux => 0,
                LinuxPersonalityDomain::PerLinux32 => 8,
            };
            let origin = format!("linux.personality ({})", personality.domain());
            self.push(StepBuf::Personality { domain }, origin);
        }
        if let Some(policy) = policy {
            let flags = policy.flags().iter().flatten().fold(0, |flags, flag| flags | memory_flag(*flag));
            let nodes = list::mask(policy.nodes().as_deref().unwrap_or_default());
            let step = StepBuf::MemoryPolicy { nodes, flags: memory_mode(policy.mode()) | flags };
            self.push(step, format!("linux.memoryPolicy ({})", policy.mode()));
        }
    }
}

/// SCHED_* (sched(7)).
fn scheduler_policy(policy: LinuxSchedulerPolicy) -> u32 {
    match policy {
        LinuxSchedulerPolicy::SchedOther => 0,
        LinuxSchedulerPolicy::SchedFifo => 1,
        LinuxSchedulerPolicy::SchedRr => 2,
        LinuxSchedulerPolicy::SchedBatch => 3,
        // Reserved by the kernel, which says EINVAL.
        LinuxSchedulerPolicy::SchedIso => 4,
        LinuxSchedulerPolicy::SchedIdle => 5,
        LinuxSchedulerPolicy::SchedDeadline => 6,
    }
}

/// SCHED_FLAG_* (sched_setattr(2)).
fn scheduler_flag(flag: LinuxSchedulerFlag) -> u64 {
    match flag {
        LinuxSchedulerFlag::SchedResetOnFork => 0x01,
        LinuxSchedulerFlag::SchedFlagReclaim => 0x02,
        LinuxSchedulerFlag::SchedFlagDLOverrun => 0x04,
        LinuxSchedulerFlag::SchedFlagKeepPolicy => 0x08,
        LinuxSchedulerFlag::SchedFlagKeepParams => 0x10,
        LinuxSchedulerFlag::SchedFlagUtilClampMin => 0x20,
        LinuxSchedulerFlag::SchedFlagUtilClampMax => 0x40,
    }
}

/// IOPRIO_CLASS_* (ioprio_set(2)).
fn io_class(class: IOPriorityClass) -> u32 {
    match class {
        IOPriorityClass::IoprioClassRt => 1,
        IOPriorityClass::IoprioClassBe => 2,
        IOPriorityClass::IoprioClassIdle => 3,
    }
}

/// MPOL_* (set_mempolicy(2)).
fn memory_mode(mode: MemoryPolicyModeType) -> u16 {
    match mode {
        MemoryPolicyModeType::MpolDefault => 0,
        MemoryPolicyModeType::MpolPreferred => 1,
        MemoryPolicyModeType::MpolBind => 2,
        MemoryPolicyModeType::MpolInterleave => 3,
        MemoryPolicyModeType::MpolLocal => 4,
        MemoryPolicyModeType::MpolPreferredMany => 5,
        MemoryPolicyModeType::MpolWeightedInterleave => 6,
    }
}

/// MPOL_F_* (set_mempolicy(2)).
fn memory_flag(flag: MemoryPolicyFlagType) -> u16 {
    match flag {
        MemoryPolicyFlagType::MpolFNumaBalancing => 1 << 13,
        MemoryPolicyFlagType::MpolFRelativeNodes => 1 << 14,
        MemoryPolicyFlagType::MpolFStaticNodes => 1 << 15,
    }
}
