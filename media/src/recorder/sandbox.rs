//! What a process that works on what strangers sent may ask of the kernel: memory, the time, and to read and write what is
//! open already. Whatever takes it over gets no file, no connection, no process and no thread.

use seccompiler::{SeccompAction, SeccompFilter};
use std::collections::BTreeMap;
use std::io;

/// All else fails as not permitted.
const ALLOWED: &[i64] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_recvfrom,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_sendto,
    libc::SYS_close,
    // Memory.
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    // Waiting, and locks.
    libc::SYS_futex,
    libc::SYS_ppoll,
    libc::SYS_sched_yield,
    libc::SYS_restart_syscall,
    // A socket to itself, at which GStreamer's pools of pictures wait.
    libc::SYS_socketpair,
    libc::SYS_fcntl,
    // Time and chance.
    libc::SYS_clock_gettime,
    libc::SYS_gettimeofday,
    libc::SYS_clock_nanosleep,
    libc::SYS_getrandom,
    // What a thread does first: GLib starts some before this, which may come to run after it, and
    // the C library ends the process when it is refused.
    libc::SYS_rseq,
    libc::SYS_set_robust_list,
    // The end, also that of a panic or a crash.
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_tgkill,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// What decoders need beside that: threads, and ways to wake them. What is started so has no more
/// rights than the process.
const THREADS: &[i64] = &[
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_prctl,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_getattr,
    libc::SYS_sched_setattr,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_getparam,
    libc::SYS_eventfd2,
    // A pair is connected to itself alone.
    libc::SYS_socketpair,
    libc::SYS_pipe2,
    libc::SYS_fcntl,
    libc::SYS_poll,
    libc::SYS_sysinfo,
];

/// Gives up all other rights, for good.
///
/// # Errors
/// The kernel cannot do it.
pub(super) fn enter() -> io::Result<()> {
    allow(ALLOWED.iter())
}

/// As [`enter`], for what works on several threads.
///
/// # Errors
/// The kernel cannot do it.
pub(crate) fn enter_with_threads() -> io::Result<()> {
    allow(ALLOWED.iter().chain(THREADS))
}

fn allow<'a>(calls: impl Iterator<Item = &'a i64>) -> io::Result<()> {
    let rules: BTreeMap<_, _> = calls.map(|call| (*call, Vec::new())).collect();
    let refused = SeccompAction::Errno(libc::EPERM as u32);
    let architecture = std::env::consts::ARCH
        .try_into()
        .map_err(io::Error::other)?;
    let filter = SeccompFilter::new(rules, refused, SeccompAction::Allow, architecture)
        .and_then(seccompiler::BpfProgram::try_from)
        .map_err(io::Error::other)?;
    seccompiler::apply_filter_all_threads(&filter).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::net::{TcpStream, UdpSocket};
    use std::process::Command;

    #[test]
    #[ignore = "the process that the other test starts"]
    fn inside() {
        super::enter().unwrap();
        let refused = [
            File::open("/etc/hostname").err(),
            File::create("/tmp/otyrys-sandbox").err(),
            UdpSocket::bind("127.0.0.1:0").err(),
            TcpStream::connect("127.0.0.1:1").err(),
            Command::new("/bin/true").status().err(),
            std::thread::Builder::new().spawn(|| ()).err(),
        ];
        for error in refused {
            assert_eq!(error.unwrap().raw_os_error(), Some(libc::EPERM));
        }
        assert_eq!(vec![7_u8; 64 << 20].len(), 64 << 20);
    }

    #[test]
    fn whoever_takes_the_process_over_gets_no_file_no_connection_and_no_process() {
        let inside = Command::new("/proc/self/exe")
            .args(["--exact", "--ignored", "--nocapture"])
            .arg("recorder::sandbox::tests::inside")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&inside.stdout);
        assert!(said.contains("1 passed"), "{inside:?}");
    }
}
