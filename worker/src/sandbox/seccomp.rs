//! The system calls a container may make: a list of what is allowed, for the two 64-bit architectures only.
//!
//! What is missing is missing on purpose: tracing and reading other processes, namespaces and mounts, BPF, io_uring,
//! kernel keys, handles that open by number, modules, clocks, and everything whose limit is shared with the host.

use serde_json::{Value, json};
use std::sync::LazyLock;

/// `SCMP_ACT_ERRNO` without a number gives EPERM; these programs look for ENOSYS to fall back.
const ENOSYS: u32 = 38;
/// Every `CLONE_NEW*` flag that the old call takes.
const CLONE_NEW: u64 = 0x7e02_0000;
/// The file type within a mode.
const S_IFMT: u64 = 0o170_000;
/// Plain, `PER_LINUX32` and the question for the present value.
const PERSONALITIES: [u64; 3] = [0, 0x0008, 0xffff_ffff];
/// UNIX, INET and INET6. NETLINK is allowed for its protocol 0 (routing) alone.
const FAMILIES: [u64; 3] = [1, 2, 10];
const AF_NETLINK: u64 = 16;
/// No type, regular file, FIFO, socket; never a device.
const NODE_TYPES: [u64; 4] = [0, 0o100_000, 0o010_000, 0o140_000];

/// Files and directories.
const FILES: &str = "access chdir chmod chown close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 \
    fadvise64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync fgetxattr flistxattr flock \
    fremovexattr fsetxattr fstat fstatfs fsync ftruncate futimesat getcwd getdents getdents64 getxattr lchown lgetxattr \
    link linkat listxattr llistxattr lremovexattr lseek lsetxattr lstat mkdir mkdirat newfstatat open openat openat2 \
    pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv removexattr rename \
    renameat renameat2 rmdir sendfile setxattr splice stat statfs statx symlink symlinkat sync_file_range syncfs tee \
    truncate umask unlink unlinkat utime utimensat utimes vmsplice write writev cachestat ioctl";
/// Memory. `memfd_create` holds pages that the memory limit counts.
const MEMORY: &str = "brk madvise membarrier memfd_create mincore mlock mlock2 mlockall mmap mprotect mremap mseal msync \
    munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect";
/// Processes and threads; `clone` and `personality` have rules of their own.
const PROCESSES: &str = "arch_prctl capget capset execve execveat exit exit_group fork getcpu getegid geteuid getgid \
    getgroups getpgid getpgrp getpid getppid getpriority getresgid getresuid getrlimit getrusage getsid gettid getuid \
    get_robust_list get_thread_area ioprio_get ioprio_set kill pidfd_open pidfd_send_signal prctl restart_syscall rseq \
    sched_getaffinity sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min \
    sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam sched_setscheduler \
    sched_yield setfsgid setfsuid setgid setgroups setpgid setpriority setregid setresgid setresuid setreuid setrlimit \
    setsid setuid set_robust_list set_tid_address sysinfo tgkill times tkill uname vfork wait4 waitid";
/// Signals, waiting and time. Clocks can be read and never set.
const WAITING: &str = "alarm clock_getres clock_gettime clock_nanosleep epoll_create epoll_create1 epoll_ctl epoll_ctl_old \
    epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 futex futex_requeue futex_wait futex_waitv \
    futex_wake getitimer gettimeofday inotify_add_watch inotify_init inotify_init1 inotify_rm_watch nanosleep pause poll \
    ppoll pselect6 rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait \
    rt_tgsigqueueinfo select setitimer sigaltstack signalfd signalfd4 time timerfd_create timerfd_gettime timerfd_settime \
    timer_create timer_delete timer_getoverrun timer_gettime timer_settime getrandom";
/// Pipes, sockets once they exist, and System V objects, which end with the container's own namespace.
const TALKING: &str = "accept accept4 bind connect getpeername getsockname getsockopt listen mq_getsetattr mq_notify mq_open \
    mq_timedreceive mq_timedsend mq_unlink msgctl msgget msgrcv msgsnd pipe pipe2 recvfrom recvmmsg recvmsg semctl \
    semget semop semtimedop sendmmsg sendmsg sendto setsockopt shmat shmctl shmdt shmget shutdown";
/// Only ever take rights away from the caller; engines put their own commands under them.
const SELF_RESTRAINT: &str = "landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp";

/// The profile as Docker takes it, in one line.
pub fn profile() -> &'static str {
    static PROFILE: LazyLock<String> = LazyLock::new(|| build().to_string());
    &PROFILE
}

fn build() -> Value {
    let mut rules: Vec<Value> =
        [FILES, MEMORY, PROCESSES, WAITING, TALKING, SELF_RESTRAINT].into_iter().map(always).collect();
    rules.push(when(&["clone"], &[masked(0, CLONE_NEW, 0)]));
    // Its flags are behind a pointer, out of reach of a filter; the C library then takes `clone`.
    rules.push(json!({"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS}));
    rules.extend(PERSONALITIES.map(|persona| when(&["personality"], &[equal(0, persona)])));
    rules.extend(FAMILIES.map(|family| when(&["socket"], &[equal(0, family)])));
    rules.push(when(&["socket"], &[equal(0, AF_NETLINK), equal(2, 0)]));
    rules.push(when(&["socketpair"], &[equal(0, 1)]));
    rules.extend(NODE_TYPES.map(|kind| when(&["mknod"], &[masked(1, S_IFMT, kind)])));
    rules.extend(NODE_TYPES.map(|kind| when(&["mknodat"], &[masked(2, S_IFMT, kind)])));
    // The relay has the same user id: nobody sets the limits of a process but its own.
    rules.push(when(&["prlimit64"], &[equal(0, 0)]));
    json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "archMap": [
            {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": []},
            {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": []},
        ],
        "syscalls": rules,
    })
}

fn always(names: &str) -> Value {
    let names: Vec<&str> = names.split_whitespace().collect();
    json!({"names": names, "action": "SCMP_ACT_ALLOW"})
}

/// All conditions of one rule must hold; of several rules for one call, one suffices.
fn when(names: &[&str], conditions: &[Value]) -> Value {
    json!({"names": names, "action": "SCMP_ACT_ALLOW", "args": conditions})
}

fn equal(index: u32, value: u64) -> Value {
    json!({"index": index, "value": value, "op": "SCMP_CMP_EQ"})
}

/// `argument & mask == value`.
fn masked(index: u32, mask: u64, value: u64) -> Value {
    json!({"index": index, "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ"})
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn rules() -> Vec<(String, String, bool)> {
        let profile: Value = serde_json::from_str(profile()).unwrap();
        let mut rows = Vec::new();
        for rule in profile["syscalls"].as_array().unwrap() {
            for name in rule["names"].as_array().unwrap() {
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                rows.push((text(name), text(&rule["action"]), rule["args"].is_array()));
            }
        }
        rows
    }

    #[test]
    fn what_reaches_beyond_the_container_is_not_on_the_list() {
        let allowed: BTreeSet<String> =
            rules().into_iter().filter(|(_, action, _)| action == "SCMP_ACT_ALLOW").map(|(name, _, _)| name).collect();
        let banned = "ptrace process_vm_readv process_vm_writev bpf userfaultfd perf_event_open keyctl add_key \
            request_key mount umount2 pivot_root chroot move_mount open_tree fsopen fsconfig fsmount fspick mount_setattr \
            unshare setns clone3 io_uring_setup io_uring_enter io_uring_register name_to_handle_at open_by_handle_at \
            kexec_load kexec_file_load init_module finit_module delete_module socketcall pidfd_getfd kcmp process_madvise \
            reboot swapon swapoff quotactl acct settimeofday clock_settime clock_adjtime adjtimex syslog iopl ioperm \
            fanotify_init lookup_dcookie move_pages migrate_pages memfd_secret vhangup io_setup sync";
        for name in banned.split_whitespace() {
            assert!(!allowed.contains(name), "{name}");
        }
    }

    #[test]
    fn a_call_with_conditions_is_never_allowed_without_them_too() {
        let rules = rules();
        for (name, ..) in rules.iter().filter(|(_, _, conditional)| *conditional) {
            assert!(!rules.iter().any(|(other, _, conditional)| other == name && !conditional), "{name}");
        }
        let plain: Vec<&String> =
            rules.iter().filter(|(_, _, conditional)| !conditional).map(|(name, ..)| name).collect();
        assert_eq!(plain.len(), plain.iter().collect::<BTreeSet<_>>().len(), "a call is listed twice");
    }

    #[test]
    fn clone_refuses_every_new_namespace() {
        let flags: [u64; 7] = [0x2_0000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000];
        assert_eq!(flags.iter().sum::<u64>(), CLONE_NEW);
    }
}
