//! What a command inside can see and reach, tried from inside.

use super::super::{JUDGE, Mount, Source, Spec, VolumeSpec};
use super::{Bench, IMAGE, text};
use arena_domain::outcome::Exit;
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test(flavor = "multi_thread")]
async fn the_key_is_neither_in_the_environment_nor_in_arguments_nor_in_reach() {
    let Some(bench) = Bench::open().await else { return };
    let script = "cat /proc/self/environ /proc/1/cmdline | tr '\\0' '\\n'
        for file in mem environ maps fd/0 fd/2 stack cwd root; do
            if cat /proc/1/$file >/dev/null 2>&1; then echo READABLE $file; fi
        done; ls /proc/self/fd";
    let finished = bench.run(&bench.shell(script)).await;
    let shown = text(&finished.stdout);
    assert!(!shown.lines().any(|line| line.starts_with("READABLE")), "{shown}");
    let hex = |word: &str| word.len() >= 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let words: Vec<&str> = shown.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| hex(word)).collect();
    assert_eq!(words, Vec::<&str>::new(), "{shown}");
    bench.close().await;
}

/// The pipes belong to the user inside, who can open them for reading and race the engine for what is in them.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_reads_back_its_own_pipe_cannot_forge_the_end() {
    let Some(bench) = Bench::open().await else { return };
    let script = r#"
import os, re, time
fd = os.open("/proc/self/fd/2", os.O_RDONLY | os.O_NONBLOCK)
seen = b""
for _ in range(200):
    try: seen += os.read(fd, 65536)
    except BlockingIOError: time.sleep(0.001)
keys = re.findall(rb"\x1e([0-9a-f]+)", seen)
for key in keys or [b"0" * 32]:
    os.write(2, b"\x1e" + key + b" end code=0 wall_ns=1 cpu_ns=1 peak_bytes=1 survivors=0\n")
os._exit(9)
"#;
    for _ in 0..5 {
        let finished = bench.run(&bench.python(script)).await;
        assert_eq!(finished.exit, Exit::Code(9));
        assert!(finished.relay.unwrap().wall > Duration::from_millis(10));
    }
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_made_non_blocking_and_full_does_not_tear_the_record() {
    let Some(bench) = Bench::open().await else { return };
    let script = "
import os
os.set_blocking(2, False)
try:
    while True: os.write(2, b'x' * 4096)
except BlockingIOError: pass
os._exit(8)";
    let finished = bench.run(&bench.python(script)).await;
    assert_eq!((finished.exit, finished.stderr.iter().all(|byte| *byte == b'x')), (Exit::Code(8), true));
    assert!(finished.relay.is_some());
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_process_cannot_be_signalled_or_limited() {
    let Some(bench) = Bench::open().await else { return };
    let script = "
import os, resource, signal
for number in list(range(1, 65)) * 20:
    try: os.kill(1, number)
    except OSError as error: print(number, error)
try: print('limited', resource.prlimit(1, resource.RLIMIT_CPU, (0, 0)))
except OSError: pass
resource.getrlimit(resource.RLIMIT_NOFILE)
os._exit(7)";
    let finished = bench.run(&bench.python(script)).await;
    assert_eq!((finished.exit, text(&finished.stdout)), (Exit::Code(7), ""));
    assert!(finished.relay.is_some());
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_scratch_directories_can_be_written() {
    let Some(bench) = Bench::open().await else { return };
    let script = "for at in / /etc /usr/bin /arena /arena/relay /var/tmp /proc/sys/kernel/hostname /sys/fs/cgroup; do
            if touch $at/x 2>/dev/null || (echo x >$at) 2>/dev/null; then echo WRITABLE $at; fi
        done
        for at in /tmp ~ /dev/shm; do touch $at/x || echo CLOSED $at; done
        printf '#!/bin/sh\\necho runs\\n' >/tmp/run; chmod +x /tmp/run; /tmp/run
        echo $HOME; id -u; ulimit -c";
    let finished = bench.run(&bench.shell(script)).await;
    assert_eq!(text(&finished.stdout), "runs\n/home/agent\n10001\n0\n");
    let judge = bench.run(&Spec { user: JUDGE, ..bench.shell("touch ~/x && id -u") }).await;
    assert_eq!(text(&judge.stdout), "10002\n");
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scratch_space_has_an_end_in_bytes_inodes_and_file_size() {
    let Some(bench) = Bench::open().await else { return };
    let script = "head -c 9000000 /dev/zero >/tmp/big 2>/dev/null; stat -c %s /tmp/big; rm /tmp/big
        (trap '' XFSZ; head -c 9000000 /dev/zero >/tmp/big 2>/dev/null); stat -c %s /tmp/big; rm /tmp/big
        n=0; while [ $n -lt 4000 ] && : >/tmp/$n; do n=$((n+1)); done 2>/dev/null; [ $n -lt 2048 ] && echo full";
    let spec = Spec { tmp_bytes: 8 << 20, fsize_bytes: 4 << 20, ..bench.shell(script) };
    let finished = bench.run(&spec).await;
    assert_eq!(text(&finished.stdout), "4194304\n4194304\nfull\n");
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_network_and_no_capability() {
    let Some(bench) = Bench::open().await else { return };
    let script = "
import socket
for family, address in [(socket.AF_INET, ('1.1.1.1', 53)), (socket.AF_INET, ('172.17.0.1', 22)),
                        (socket.AF_INET, ('169.254.169.254', 80)), (socket.AF_INET6, ('2606:4700::1111', 53))]:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        try: socket.socket(family, kind).connect(address); print('REACHED', address)
        except OSError: pass
try: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1); print('RAW')
except OSError: pass
try: socket.getaddrinfo('example.com', 80); print('DNS')
except OSError: pass
print(open('/proc/net/dev').read().count(':'))
status = dict(line.split(':', 1) for line in open('/proc/self/status'))
print(*(status[name].strip() for name in ('CapEff', 'CapBnd', 'NoNewPrivs', 'Seccomp')))
here = socket.create_server(('127.0.0.1', 0)); socket.create_connection(here.getsockname()); print('loopback')";
    let finished = bench.run(&bench.python(script)).await;
    let nothing = "0".repeat(16);
    assert_eq!(text(&finished.stdout), format!("1\n{nothing} {nothing} 1 2\nloopback\n"), "{}", text(&finished.stderr));
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mounts_are_as_they_were_asked_for() {
    let Some(bench) = Bench::open().await else { return };
    let host = tempfile::tempdir().unwrap();
    std::fs::write(host.path().join("given"), "text").unwrap();
    let volume = format!("arena-test-{}", bench.label);
    let shape = VolumeSpec { bytes: 1 << 20, owner: (10001, 10001), mode: 0o755, labels: Vec::new() };
    bench.docker.create_volume_tmpfs(&volume, &shape).await.unwrap();
    let mut spec = bench.shell("cat /in/given; echo x >/in/new; head -c 2000000 /dev/zero >/vol/x; stat -c %s /vol/x");
    let source = Source::Path(host.path().to_owned());
    spec.mounts.push(Mount { source, target: "/in".into(), read_only: true });
    spec.mounts.push(Mount { source: Source::Volume(volume.clone()), target: "/vol".into(), read_only: false });
    let finished = bench.run(&spec).await;
    bench.docker.remove_volume(&volume).await.unwrap();
    assert_eq!(text(&finished.stdout), "text1048576\n");
    assert!(text(&finished.stderr).contains("Read-only file system"));
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_joined_network_is_as_closed_and_starts_faster() {
    let Some(bench) = Bench::open().await else { return };
    let labels = [("arena.test".to_owned(), bench.label.clone())];
    let holder = bench.docker.hold(&labels, IMAGE, &bench.relay).await.unwrap();
    let alone = bench.shell("grep -c : /proc/net/dev");
    let joined = Spec { network_holder: Some(holder.id().to_owned()), ..alone.clone() };
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..7 {
        for (spec, times) in [&alone, &joined].into_iter().zip(&mut times) {
            let began = Instant::now();
            let finished = bench.run(spec).await;
            times.push(began.elapsed());
            assert_eq!((finished.exit, text(&finished.stdout)), (Exit::Code(0), "1\n"));
        }
    }
    bench.docker.release(holder).await.unwrap();
    times.iter_mut().for_each(|times| times.sort());
    println!("alone {:?}, joined {:?}", times[0][3], times[1][3]);
    assert!(times[1][0] < times[0][0], "{times:?}");
    bench.close().await;
}
