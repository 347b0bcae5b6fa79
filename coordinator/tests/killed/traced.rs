//! A process that is stopped before each of its system calls, and killed before one of those that change
//! what is on disk or what others see.

use std::collections::HashSet;
use std::io::{Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// How a life ended.
pub(crate) struct Life {
    /// What it wrote to standard output.
    pub(crate) shown: String,
    /// Whether it ended by itself, before it was killed.
    pub(crate) ended: bool,
}

/// Writing, truncating, renaming, removing, and asking for any of it to be on disk.
fn changes_something(call: u64) -> bool {
    const CALLS: [i64; 17] = [
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_pwrite64,
        libc::SYS_pwritev,
        libc::SYS_pwritev2,
        libc::SYS_fsync,
        libc::SYS_fdatasync,
        libc::SYS_ftruncate,
        libc::SYS_fallocate,
        libc::SYS_rename,
        libc::SYS_renameat,
        libc::SYS_renameat2,
        libc::SYS_link,
        libc::SYS_unlink,
        libc::SYS_unlinkat,
        libc::SYS_mkdir,
        libc::SYS_copy_file_range,
    ];
    i64::try_from(call).is_ok_and(|call| CALLS.contains(&call))
}

/// Runs `command` and kills it before its `nth` such call, from 1.
pub(crate) fn killed_before(command: &Command, nth: usize) -> Life {
    // It begins when it is watched: a shell waits for a line and then becomes it.
    let mut shell = Command::new("sh");
    shell.args(["-c", "read go; exec \"$0\" \"$@\""]).arg(command.get_program());
    shell.args(command.get_args());
    for (name, value) in command.get_envs() {
        shell.env(name, value.unwrap());
    }
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    // In a group of its own, so that only its threads are waited for.
    let mut child = shell.process_group(0).spawn().unwrap();
    let leader = Pid::from_raw(i32::try_from(child.id()).unwrap());
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(leader, options).unwrap();
    ptrace::interrupt(leader).unwrap();
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let ended = step(&mut child, leader, nth);
    let mut shown = String::new();
    child.stdout.take().unwrap().read_to_string(&mut shown).unwrap();
    Life { shown, ended }
}

/// Lets it go from call to call; whether it ended by itself.
fn step(child: &mut Child, leader: Pid, nth: usize) -> bool {
    let group = Pid::from_raw(-leader.as_raw());
    // Threads that are within a call, and whether the program itself runs and not the shell.
    let (mut within, mut begun, mut calls) = (HashSet::new(), false, 0);
    loop {
        let (thread, signal) = match waitpid(group, Some(WaitPidFlag::__WALL)).unwrap() {
            WaitStatus::Exited(pid, code) if pid == leader => {
                assert_eq!(code, 0, "it failed by itself");
                return true;
            }
            WaitStatus::Signaled(pid, ..) if pid == leader => return false,
            WaitStatus::Exited(..) | WaitStatus::Signaled(..) => continue,
            WaitStatus::PtraceSyscall(thread) => {
                if within.remove(&thread) {
                    (thread, None)
                } else {
                    within.insert(thread);
                    // A thread that was killed meanwhile has no registers.
                    let call = ptrace::getregs(thread).map_or(u64::MAX, |regs| regs.orig_rax);
                    calls += usize::from(begun && changes_something(call));
                    if calls == nth {
                        child.kill().unwrap();
                        // Before the call: it is not made. The group is waited for until it is gone.
                        calls += 1;
                    }
                    (thread, None)
                }
            }
            WaitStatus::PtraceEvent(thread, _, event) => {
                begun |= event == libc::PTRACE_EVENT_EXEC;
                (thread, None)
            }
            WaitStatus::Stopped(thread, signal) => (thread, Some(signal)),
            _ => continue,
        };
        // Killed in between, it cannot go on.
        let _: Result<(), nix::Error> =
            ptrace::syscall(thread, signal.filter(|s| *s != Signal::SIGTRAP));
    }
}
