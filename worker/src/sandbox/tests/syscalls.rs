//! The system call list, tried call by call from inside, and ordinary programs under it.

use super::{Bench, Spec, text};
use arena_domain::outcome::Exit;

/// Prints the error of each raw call. Numbers are those of x86-64.
const PROBE: &str = r#"
import ctypes, errno, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(name, number, *args):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) for a in args])
    print(name, 'ok' if result >= 0 else errno.errorcode[ctypes.get_errno()])
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_reaches_beyond_the_container_is_refused_by_the_kernel() {
    let Some(bench) = Bench::open().await else { return };
    let calls = "
call('af_alg', 41, 38, 5, 0); call('af_vsock', 41, 40, 1, 0); call('af_packet', 41, 17, 3, 0)
call('netlink_audit', 41, 16, 3, 9); call('high_bits', 41, 0x100000026, 5, 0); call('pair', 53, 2, 1, 0, 0)
call('ptrace', 101, 0, 0, 0, 0); call('vm_readv', 310, 1, 0, 0, 0, 0, 0); call('bpf', 321, 0, 0, 0)
call('userfaultfd', 323, 0); call('perf', 298, 0, 0, 0, 0, 0); call('keyctl', 250, 0, 0); call('add_key', 248, 0, 0, 0, 0)
call('mount', 165, 0, 0, 0, 0, 0); call('unshare_user', 272, 0x10000000); call('setns', 308, 0, 0)
call('clone_user', 56, 0x10000011, 0, 0, 0, 0); call('clone_net', 56, 0x40000011, 0, 0, 0, 0)
call('io_uring', 425, 1, 0); call('by_handle', 304, 0, 0, 0); call('kexec', 246, 0, 0, 0, 0)
call('module', 175, 0, 0, 0); call('personality', 135, 0x0040000); call('open_tree', 428, 0, 0, 0)
call('device', 133, 0, 0o020666, 0x103); call('getfd', 438, 0, 0, 0); call('limit_of_first', 302, 1, 0, 0, 0)";
    let finished = bench.run(&bench.python(&format!("{PROBE}{calls}"))).await;
    let lines: Vec<&str> = text(&finished.stdout).lines().collect();
    assert_eq!(lines.len(), 27, "{lines:?} {}", text(&finished.stderr));
    for line in lines {
        assert!(line.ends_with("EPERM"), "{line}");
    }
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_programs_need_is_let_through_and_clone3_is_unknown() {
    let Some(bench) = Bench::open().await else { return };
    let calls = "
call('unix', 41, 1, 1, 0); call('inet', 41, 2, 1, 0); call('inet6', 41, 10, 2, 0); call('route', 41, 16, 3, 0)
call('persona', 135, 0xffffffff); call('limits', 302, 0, 7, 0, 0); call('memfd', 319, id(call) and 0, 0)
call('clone3', 435, 0, 0)";
    let finished = bench.run(&bench.python(&format!("{PROBE}{calls}"))).await;
    let expected = "unix ok\ninet ok\ninet6 ok\nroute ok\npersona ok\nlimits ok\nmemfd EFAULT\nclone3 ENOSYS\n";
    assert_eq!(text(&finished.stdout), expected);
    bench.close().await;
}

/// The two other ways into the kernel would each be a second, unfiltered table.
#[tokio::test(flavor = "multi_thread")]
async fn the_32_bit_tables_are_closed() {
    let Some(bench) = Bench::open().await else { return };
    let compat = r"
import ctypes, mmap
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(b'\xb8\x14\x00\x00\x00\xcd\x80\xc3')
at = ctypes.addressof(ctypes.c_char.from_buffer(page))
print('pid', ctypes.CFUNCTYPE(ctypes.c_int)(at)() > 0)";
    let x32 = format!("{PROBE}call('x32', 0x40000000 + 39)");
    for script in [compat, &x32] {
        let finished = bench.run(&bench.python(script)).await;
        let passed = ["pid True", "x32 ok"].iter().any(|word| text(&finished.stdout).contains(word));
        assert!(!passed, "{:?} {}", finished.exit, text(&finished.stdout));
    }
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ordinary_programs_work() {
    let Some(bench) = Bench::open().await else { return };
    let threads = "
import threading, multiprocessing, subprocess, socket, tempfile, asyncio, sqlite3, mmap, select, os
def double(x): return 2 * x
if __name__ == '__main__':
    worker = threading.Thread(target=print, args=('thread',)); worker.start(); worker.join()
    for way in ('fork', 'spawn', 'forkserver'):
        with multiprocessing.get_context(way).Pool(2) as pool: print(sum(pool.map(double, range(5))))
    print(subprocess.check_output('echo a | cat', shell=True).decode().strip())
    async def main():
        process = await asyncio.create_subprocess_exec('true'); return await process.wait()
    print(asyncio.run(main()))
    sqlite3.connect('/tmp/db').execute('create table t(x)')
    os.mkfifo('/tmp/fifo'); print(len(os.sched_getaffinity(0)) > 0)
";
    let write = format!("cat >/tmp/t.py <<'E'\n{threads}\nE\npython3 /tmp/t.py");
    let git = "cd /tmp && git init -q r && cd r && git config user.email a@b && git config user.name a && echo x >f &&
        git add . && git commit -qm m && git gc -q && git clone -q . ../c && git worktree add -q ../w && git log --oneline | wc -l";
    let rows = [
        (write.as_str(), "thread\n20\n20\n20\na\n0\nTrue\n"),
        (git, "1\n"),
        (
            "coproc cat; echo x >&${COPROC[1]}; read -u ${COPROC[0]} y; echo $y; timeout 5 sort <(seq 3) | tail -1",
            "x\n3\n",
        ),
        ("perl -e 'print fork() ? \"\" : \"child\\n\"; wait'", "child\n"),
    ];
    for (script, expected) in rows {
        let finished = bench.run(&Spec { memory_bytes: 512 << 20, ..bench.shell(script) }).await;
        let shown = (finished.exit, text(&finished.stdout));
        assert_eq!(shown, (Exit::Code(0), expected), "{script}: {}", text(&finished.stderr));
        assert_eq!(finished.relay.unwrap().survivors, 0, "{script}");
    }
    bench.close().await;
}
