//! What ends badly ends in one line and with status 2, or by the signal that was sent; `--out` is whole or as it was, and nothing
//! else stays behind.
#![cfg(unix)]

mod common;

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use common::*;

/// Longer than anything takes here: what waits so long waits for ever.
const FOR_EVER: Duration = Duration::from_secs(120);

const HEADER: &str = "policy_chosen_logps,policy_rejected_logps,ref_chosen_logps,ref_rejected_logps\n";

/// Many pairs, whose results no format packs into little.
fn many_pairs(folder: &Folder, name: &str) -> PathBuf {
    let mut random = 1_u64;
    let mut text = HEADER.to_owned();
    for _ in 0..20_000 {
        let row: Vec<String> = (0..4)
            .map(|_| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                format!("-{}", (random >> 33) as f64 / 1e8)
            })
            .collect();
        text += &(row.join(",") + "\n");
    }
    folder.write(name, text)
}

/// A command under a shell's limit.
fn limited(limit: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{limit}; exec \"$0\" \"$@\"")]).arg(command.get_program()).args(command.get_args());
    shell
}

/// Runs to the end, which must come.
#[track_caller]
fn output(command: &mut Command) -> Output {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let read = std::thread::spawn(move || {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        stdout.read_to_end(&mut out).unwrap();
        stderr.read_to_end(&mut err).unwrap();
        (out, err)
    });
    let status = ends(&mut child);
    let (stdout, stderr) = read.join().unwrap();
    Output { status, stdout, stderr }
}

#[track_caller]
fn ends(child: &mut Child) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if start.elapsed() > FOR_EVER {
            child.kill().unwrap();
            panic!("it waits for ever");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The one short line of a run that must fail.
#[track_caller]
fn fails(command: &mut Command) -> String {
    let Output { status, stderr, .. } = output(command);
    one_line(status, &stderr)
}

#[track_caller]
fn one_line(status: ExitStatus, stderr: &[u8]) -> String {
    let stderr = String::from_utf8_lossy(stderr);
    assert_eq!(status.code(), Some(2), "{status}: {stderr}");
    let line = stderr.strip_suffix('\n').unwrap_or_else(|| panic!("no line end: {stderr:?}"));
    assert!(line.starts_with("preflane: ") && !line.contains('\n'), "{stderr}");
    assert!(line.chars().count() < 500, "{} characters: {stderr}", line.chars().count());
    line.to_owned()
}

fn is_root(folder: &Folder) -> bool {
    fs::metadata(folder.path("")).unwrap().uid() == 0
}

/// Temporary files that are there.
fn temporary(folder: &Folder) -> Vec<String> {
    folder.names().into_iter().filter(|name| name.starts_with(".preflane-")).collect()
}

#[track_caller]
fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < FOR_EVER, "{what} never comes");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A run whose input is a pipe that is open: it lives until the pipe ends.
struct Waiting {
    child: Child,
    input: File,
}

impl Waiting {
    fn start(folder: &Folder, out: &Path, prefix: &str) -> Self {
        let pipe = folder.path(&format!("{prefix}.csv"));
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let before = temporary(folder).len();
        let mut command = score();
        command.arg(&pipe).arg("--out").arg(out);
        let mut command = if prefix == "nohup" { limited("trap '' HUP", &command) } else { command };
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        // Waits until the other end is open. The header is read before the temporary file is made.
        let mut input = OpenOptions::new().write(true).open(&pipe).unwrap();
        fs::remove_file(&pipe).unwrap();
        input.write_all(HEADER.as_bytes()).unwrap();
        eventually("the temporary file", || temporary(folder).len() > before);
        Self { child, input }
    }

    #[track_caller]
    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
    }

    #[track_caller]
    fn finish(mut self) {
        self.input.write_all(b"-1,-2,-1,-1\n").unwrap();
        drop(self.input);
        assert!(ends(&mut self.child).success());
    }
}

#[test]
fn a_limit_on_the_size_of_files() {
    let folder = Folder::new();
    let input = many_pairs(&folder, "in.csv");
    for format in FORMATS {
        let out = folder.write(&format!("out.{format}"), "old");
        // 100 KiB: less than each result, and more than a column of it, which some writers keep in a file of its own before.
        let line = fails(&mut limited("ulimit -f 200", score().arg(&input).arg("--out").arg(&out)));
        assert!(
            line.contains("cannot be written: File too large") && line.contains(&format!("out.{format}")),
            "{line}"
        );
        assert_eq!(fs::read(&out).unwrap(), b"old", "{format}");
        assert_eq!(folder.names(), ["in.csv".to_owned(), format!("out.{format}")], "{format}");
        fs::remove_file(out).unwrap();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk() {
    let folder = Folder::new();
    let input = many_pairs(&folder, "in.csv");
    fs::create_dir(folder.path("disk")).unwrap();
    let run = |format: &str, kib: u32| {
        // A small disk, in a name space of its own: root may make one, and others where the system lets them.
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c"]);
        command.arg(format!(
            "mount -t tmpfs -o size={kib}k none \"$1\" || exit 77; shift
             \"$0\" \"$@\"; status=$?; ls -A \"$DISK\" >&2; exit $status"
        ));
        command.arg(env!("CARGO_BIN_EXE_preflane")).arg(folder.path("disk")).env("DISK", folder.path("disk"));
        command.arg("score").arg(&input).arg("--out").arg(folder.path(&format!("disk/out.{format}")));
        output(&mut command)
    };
    // Some formats fill it twice: with columns, and from them.
    let sizes = FORMATS.map(|format| (format, 64)).into_iter();
    for (format, kib) in
        sizes.chain([520, 560, 700, 860].into_iter().flat_map(|kib| [("npz", kib), ("safetensors", kib)]))
    {
        let Output { status, stderr, .. } = run(format, kib);
        if status.code() == Some(77) || String::from_utf8_lossy(&stderr).contains("unshare") {
            // The limit on files above takes the same way.
            eprintln!("not shown: this user may not mount a disk");
            return;
        }
        // One line: the disk's folder is empty.
        let line = one_line(status, &stderr);
        assert!(line.contains("cannot be written: No space left on device"), "{format}, {kib} KiB: {line}");
    }
}

/// Whatever the limit, there is a result or one line.
#[cfg(target_os = "linux")]
#[test]
fn too_little_memory() {
    let folder = Folder::new();
    let out = folder.path("out.csv");
    let with = |kib: usize, command: &Command| output(&mut limited(&format!("ulimit -v {kib}"), command));
    // Below that the system cannot even load the program.
    let mut version = Command::new(env!("CARGO_BIN_EXE_preflane"));
    version.arg("--version");
    let least = (1..).map(|step| step * 4096).find(|kib| with(*kib, &version).status.success()).unwrap();
    for format in FORMATS {
        let mut command = score();
        command.arg(data(&format!("pairs.{format}"))).args(["--threads", "2", "--out"]).arg(&out);
        let mut kib = least;
        let mut refused = 0;
        loop {
            let Output { status, stderr, .. } = with(kib, &command);
            assert_eq!(temporary(&folder), [""; 0], "{format}, {kib} KiB");
            if status.success() {
                break;
            }
            let line = one_line(status, &stderr);
            assert!(line.contains("memory") || line.contains("thread"), "{format}, {kib} KiB: {line}");
            assert!(!out.exists(), "{format}, {kib} KiB");
            refused += 1;
            kib += 1024;
        }
        assert!(refused > 0, "{format}: never short of memory");
        fs::remove_file(&out).unwrap();
    }
}

/// The first thread's stack grows, if the system lets it: the work does not stand on it.
#[test]
fn a_small_first_stack() {
    let Output { status, stderr, .. } = output(&mut limited("ulimit -s 256", score().arg(data("pairs.csv"))));
    assert!(status.success(), "{status}: {}", String::from_utf8_lossy(&stderr));
}

/// Logits are mapped: the system takes away what is cut off while they are read.
#[cfg(target_os = "linux")]
#[test]
fn an_input_that_is_cut_short_while_it_is_read() {
    let folder = Folder::new();
    // Gigabytes of zeros that take no room: seconds of work.
    let (positions, vocabulary) = (32_768, 65_536);
    let logits = positions * vocabulary * 4;
    let header = format!(
        r#"{{"labels":{{"dtype":"I64","shape":[1,{positions}],"data_offsets":[0,{0}]}},"logits":{{"dtype":"F32","shape":[1,{positions},{vocabulary}],"data_offsets":[{0},{1}]}}}}"#,
        positions * 8,
        positions * 8 + logits
    );
    let length = header.len().next_multiple_of(8);
    let header = format!("{header:<length$}");
    let input = folder.write("in.safetensors", [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat());
    let file = OpenOptions::new().write(true).open(&input).unwrap();
    file.set_len((8 + header.len() + positions * 8 + logits) as u64).unwrap();
    let mut command = logps();
    command.arg(&input).arg("--out").arg(folder.path("out.safetensors"));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // By then the file is open, and its size known.
    eventually("the temporary file", || !temporary(&folder).is_empty());
    file.set_len(100_000).unwrap();
    let status = ends(&mut child);
    let mut stderr = Vec::new();
    child.stderr.take().unwrap().read_to_end(&mut stderr).unwrap();
    let line = one_line(status, &stderr);
    assert!(line.contains("in.safetensors"), "{line}");
    assert_eq!(folder.names(), ["in.safetensors"]);
}

#[test]
fn signals_end_it_as_they_do_and_leave_nothing() {
    let folder = Folder::new();
    let out = folder.write("out.csv", "old");
    for (name, number) in
        [("HUP", 1), ("INT", 2), ("QUIT", 3), ("ABRT", 6), ("USR1", 10), ("SEGV", 11), ("ALRM", 14), ("TERM", 15)]
    {
        if name == "USR1" && !cfg!(target_os = "linux") {
            continue;
        }
        let mut waiting = Waiting::start(&folder, &out, "in");
        waiting.signal(name);
        let status = ends(&mut waiting.child);
        assert_eq!(status.signal(), Some(number), "{name}: {status}");
        assert_eq!(folder.names(), ["out.csv"], "{name}");
    }
    assert_eq!(fs::read(&out).unwrap(), b"old");
}

#[test]
fn a_signal_that_is_ignored_stays_so() {
    let folder = Folder::new();
    let out = folder.path("out.csv");
    let waiting = Waiting::start(&folder, &out, "nohup");
    waiting.signal("HUP");
    waiting.finish();
    assert_eq!(folder.names(), ["out.csv"]);
}

/// What kill -9 leaves goes away with the next run in that folder; what another run is writing does not.
#[test]
fn what_a_killed_run_leaves() {
    let folder = Folder::new();
    let live = Waiting::start(&folder, &folder.path("live.csv"), "a");
    let file_of_live = temporary(&folder);
    let mut killed = Waiting::start(&folder, &folder.path("killed.csv"), "b");
    assert_eq!(temporary(&folder).len(), 2);
    killed.signal("KILL");
    ends(&mut killed.child);
    assert_eq!(temporary(&folder).len(), 2);
    succeeds(score().arg(data("pairs.csv")).arg("--out").arg(folder.path("next.csv")));
    assert_eq!(temporary(&folder), file_of_live);
    live.finish();
    assert_eq!(folder.names(), ["live.csv", "next.csv"]);
}

#[test]
fn places_that_are_no_files() {
    let folder = Folder::new();
    let input = folder.path("in.csv");
    fs::copy(data("pairs.csv"), &input).unwrap();
    let path = |name: &str| folder.path(name);
    assert!(Command::new("mkfifo").arg(path("pipe.csv")).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(path("socket.csv")).unwrap();
    symlink("/dev/null", path("null.csv")).unwrap();
    symlink("/dev/stdout", path("stdout.csv")).unwrap();
    symlink("pipe.csv", path("to_pipe.csv")).unwrap();
    symlink("loop.csv", path("loop.csv")).unwrap();
    symlink("none/out.csv", path("nowhere.csv")).unwrap();
    fs::create_dir(path("folder.csv")).unwrap();
    fs::hard_link(&input, path("hard.csv")).unwrap();
    symlink("in.csv", path("soft.csv")).unwrap();
    let before = folder.names();
    for (out, words) in [
        ("pipe.csv", "is a pipe, not a file"),
        ("to_pipe.csv", "is a pipe, not a file"),
        ("socket.csv", "is a socket, not a file"),
        ("null.csv", "is a device, not a file"),
        ("stdout.csv", "is a pipe, not a file"),
        ("folder.csv", "is a folder, not a file"),
        ("loop.csv", "cannot be written"),
        ("nowhere.csv", "there is no folder"),
        ("hard.csv", "would replace the input"),
        ("soft.csv", "would replace the input"),
        ("in.csv", "would replace the input"),
    ] {
        let line = fails(score().arg(&input).arg("--out").arg(path(out)));
        assert!(line.contains(words) && line.contains(out), "{line}");
    }
    // The input by its descriptor.
    let line = fails(
        limited("exec 3<\"$2\"", score().arg(&input))
            .args(["/dev/fd/3", "--format", "csv", "--out"])
            .arg(path("hard.csv"))
            .arg("--json"),
    );
    assert!(line.contains("would replace the input"), "{line}");
    // Standard output as a file: the report would be lost in it.
    let stdout = File::create(path("report.csv")).unwrap();
    let Output { status, stderr, .. } =
        score().arg(&input).arg("--out").arg(path("report.csv")).stdout(stdout).output().unwrap();
    assert!(one_line(status, &stderr).contains("it is the standard output"));
    fs::remove_file(path("report.csv")).unwrap();
    assert_eq!(folder.names(), before);
    assert_eq!(fs::read(&input).unwrap(), fs::read(data("pairs.csv")).unwrap());
}

#[test]
fn a_link_stays_one() {
    let folder = Folder::new();
    fs::create_dir(folder.path("data")).unwrap();
    symlink("data/there.csv", folder.path("a.csv")).unwrap();
    symlink("data/new.csv", folder.path("b.csv")).unwrap();
    folder.write("data/there.csv", "old");
    for (link, file) in [("a.csv", "data/there.csv"), ("b.csv", "data/new.csv")] {
        succeeds(score().arg(data("pairs.csv")).arg("--out").arg(folder.path(link)));
        assert!(folder.path(link).is_symlink() && !folder.path(file).is_symlink());
        assert_eq!(read_back(&folder.path(file))["loss"].len(), 300);
    }
}

#[test]
fn mode_and_owner_are_kept() {
    let folder = Folder::new();
    let out = folder.write("out.csv", "old");
    let run = || succeeds(score().arg(data("pairs.csv")).arg("--out").arg(&out));
    for mode in [0o600, 0o664, 0o755] {
        fs::set_permissions(&out, Permissions::from_mode(mode)).unwrap();
        run();
        assert_eq!(fs::metadata(&out).unwrap().mode() & 0o7777, mode, "{mode:o}");
    }
    if is_root(&folder) {
        std::os::unix::fs::chown(&out, Some(12_345), Some(23_456)).unwrap();
        run();
        let now = fs::metadata(&out).unwrap();
        assert_eq!((now.uid(), now.gid(), now.mode() & 0o7777), (12_345, 23_456, 0o755));
    }
}

/// Another user than root: what he may not keep is said, and what is protected from him stays. (Only root can become one.)
#[test]
fn files_of_others() {
    const NOBODY: u32 = 65_534;
    let folder = Folder::new();
    if !is_root(&folder) {
        eprintln!("not shown: only root can give files to others");
        return;
    }
    for path in
        [folder.path(""), folder.write("out.csv", "old"), folder.write("in.csv", fs::read(data("pairs.csv")).unwrap())]
    {
        fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
    }
    fs::set_permissions(folder.path("out.csv"), Permissions::from_mode(0o662)).unwrap();
    // The program may stand where only root goes.
    fs::copy(env!("CARGO_BIN_EXE_preflane"), folder.path("preflane")).unwrap();
    let run = || {
        let mut command = Command::new(folder.path("preflane"));
        command.arg("score").arg(folder.path("in.csv")).arg("--out").arg(folder.path("out.csv"));
        output(command.current_dir("/").gid(NOBODY).uid(NOBODY))
    };
    let Output { status, stderr, .. } = run();
    let said = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{status}: {said}");
    assert!(said.contains("belonged to user 0 and group 0") && said.lines().count() == 1, "{said}");
    let now = fs::metadata(folder.path("out.csv")).unwrap();
    // What the one group might do, the other may not.
    assert_eq!((now.uid(), now.mode() & 0o7777), (NOBODY, 0o622));
    fs::set_permissions(folder.path("out.csv"), Permissions::from_mode(0o444)).unwrap();
    let Output { status, stderr, .. } = run();
    assert!(one_line(status, &stderr).contains("cannot be written: Permission denied"));
    assert_eq!(temporary(&folder), [""; 0]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_report_that_cannot_be_printed() {
    let folder = Folder::new();
    let out = folder.path("out.csv");
    for redirection in [">/dev/full", ">&-"] {
        let shell = |command: &Command| {
            let mut shell = Command::new("sh");
            let line = format!("exec \"$0\" \"$@\" {redirection}");
            shell.args(["-c", &line]).arg(command.get_program()).args(command.get_args());
            shell
        };
        let line = fails(&mut shell(score().arg(data("pairs.csv")).arg("--out").arg(&out)));
        assert!(line.starts_with("preflane: standard output: cannot be written: "), "{line}");
        assert!(line.contains("out.csv is written and whole"), "{line}");
        assert_eq!(read_back(&out)["loss"].len(), 300);
        let line = fails(&mut shell(score().arg(data("pairs.csv")).arg("--json")));
        assert!(!line.contains("whole"), "{line}");
        let line = fails(&mut shell(score().arg("--help")));
        assert!(line.contains("standard output"), "{line}");
    }
    // Where nobody can be told, the status tells.
    let status = limited("exec 2>&-", score().arg(folder.path("none.csv"))).status().unwrap();
    assert_eq!(status.code(), Some(2));
    // A reader that has read enough is none of these.
    let mut reader = Command::new("sh");
    reader.args(["-c", "{ \"$0\" \"$@\"; echo $? >&2; } | head -c 1"]).arg(score().get_program()).arg("score");
    assert_eq!(output(reader.arg(data("pairs.csv"))).stderr, b"0\n");
}

#[test]
fn lines_that_can_be_read() {
    let folder = Folder::new();
    let long = "x".repeat(5000);
    let column = folder.write("column.csv", format!("{long}\n1\n"));
    let value = folder.write("value.jsonl", format!("{{\"policy_chosen_logps\": \"{long}\"}}\n"));
    let deep = folder.path(&"deep/".repeat(500)).join("pairs.csv");
    let digits = "9".repeat(300);
    for command in [
        score().arg(&deep),
        score().arg(&column),
        score().arg(&column).args(["--policy-chosen", &long]),
        score().arg(&value),
        score().arg(data("pairs.csv")).arg("--out").arg(&deep),
        score().arg(data("pairs.csv")).args(["--loss", &long]),
        score().arg(data("pairs.csv")).args(["--beta", "-1e300"]),
        score().arg(data("pairs.csv")).args(["--loss", "cdpo", "--label-smoothing", "1e-300", "--beta", "-1e-300"]),
        score().arg(data("pairs.csv")).args(["--threads", &digits]),
        score().arg(data("pairs.csv")).args(["--threads", "1000000000"]),
        score().arg("a\nb\u{1b}[31m.csv"),
    ] {
        let line = fails(command);
        assert!(!line.contains(&"0".repeat(40)) && !line.contains(&"9".repeat(40)), "{line}");
    }
    let line = fails(score().arg(data("pairs.csv")).args(["--beta", "-1e300"]));
    assert!(line.contains("beta is -1e300; it must be"), "{line}");
}

/// No more threads than the machine has a use for, however many are asked for.
#[cfg(target_os = "linux")]
#[test]
fn threads_that_start() {
    let folder = Folder::new();
    let pipe = folder.path("in.csv");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut child = score().arg(&pipe).args(["--threads", "60000"]).stdout(Stdio::null()).spawn().unwrap();
    let input = OpenOptions::new().write(true).open(&pipe).unwrap();
    let threads = fs::read_dir(format!("/proc/{}/task", child.id())).unwrap().count();
    let processors = std::thread::available_parallelism().unwrap().get();
    // Those that compute, and the two that the command itself has.
    assert!(threads <= 4 * processors + 2, "{threads} threads on {processors} processors");
    drop(input);
    assert_eq!(ends(&mut child).code(), Some(2), "an empty input");
    let line = fails(score().arg(data("pairs.csv")).args(["--threads", "1000000000"]));
    assert!(line.contains("no machine has more"), "{line}");
}
