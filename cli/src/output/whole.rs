//! A file that appears under its name whole or not at all.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::{Builder, NamedTempFile};

use super::cannot_write;
use crate::abrupt::Unfinished;
use crate::failure::{Failure, shown};

/// What the names of temporary files begin and end with.
const TEMPORARY: [&str; 2] = [".preflane-", ".tmp"];

/// How many links may lead from one to the next.
const MOST_LINKS: usize = 40;

/// A temporary file beside its target. It is locked while it lives: one without a lock was left by a process that was killed, and the
/// next that writes in its folder removes it.
pub struct WholeFile {
    temporary: NamedTempFile,
    // Dropped after the file is gone or has its name.
    _unfinished: Unfinished,
    target: Target,
    /// What could not be kept of the file that is replaced.
    note: Option<String>,
}

/// Where a file is to appear.
struct Target {
    /// As the user names it.
    named: PathBuf,
    /// With the links followed.
    path: PathBuf,
    /// What is there now: a file, if anything.
    existing: Option<Metadata>,
}

/// A file that has appeared.
#[derive(Clone)]
pub struct Written {
    path: PathBuf,
    /// What whoever gave the name should know.
    pub note: Option<String>,
}

impl Written {
    /// Its name, for a message.
    pub fn name(&self) -> String {
        shown(&self.path).into_owned()
    }
}

static WRITTEN: Mutex<Vec<Written>> = Mutex::new(Vec::new());

/// The files that this process has written.
pub fn written() -> Vec<Written> {
    WRITTEN.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl Target {
    /// Finds what is wrong with a name without opening anything: opening a pipe would wait for its other end.
    fn find(named: &Path) -> Result<Self, Failure> {
        let fail = |e: io::Error| cannot_write(named, e);
        let existing = match fs::metadata(named) {
            Ok(existing) => Some(existing),
            Err(e) if e.kind() == ErrorKind::NotFound => None,
            Err(e) => return Err(fail(e)),
        };
        if let Some(existing) = &existing {
            if !existing.is_file() {
                let message = format!("it is {}, not a file; name a file, or a new one", kind(existing));
                return Err(cannot_write(named, message));
            }
            if is_standard_output(existing) {
                return Err(cannot_write(named, "it is the standard output, where the report goes; name another file"));
            }
            may_write(named).map_err(fail)?;
        }
        // A link stays one: the file that it points to is replaced, or made.
        let path = match existing {
            Some(_) if named.is_symlink() => fs::canonicalize(named).map_err(fail)?,
            Some(_) => named.to_owned(),
            None => follow(named).map_err(fail)?,
        };
        let target = Self { named: named.to_owned(), path, existing };
        if !target.folder().is_dir() {
            return Err(cannot_write(named, format!("there is no folder {}", shown(target.folder()))));
        }
        Ok(target)
    }

    fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        }
    }
}

/// Finds early what is wrong with the name of a file that is to be written.
pub fn check(path: &Path) -> Result<(), Failure> {
    Target::find(path).map(drop)
}

/// The end of a chain of links that leads to nothing yet.
fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        if !path.is_symlink() {
            return Ok(path);
        }
        let link = fs::read_link(&path)?;
        path = path.parent().unwrap_or(Path::new("")).join(link);
    }
    Err(io::Error::other("links lead to links without an end"))
}

impl WholeFile {
    /// Starts the file.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let target = Target::find(path)?;
        remove_stale(target.folder());
        let mut unfinished = None;
        let [prefix, suffix] = TEMPORARY;
        let temporary = Builder::new().prefix(prefix).suffix(suffix).rand_bytes(12).make_in(target.folder(), |path| {
            // Noted before it is there: a signal may come between.
            unfinished = Some(Unfinished::new(path));
            start(path).inspect_err(|_| unfinished = None)
        });
        let temporary = temporary.map_err(|e| cannot_write(path, e))?;
        let note = match &target.existing {
            Some(existing) => keep(temporary.as_file(), existing).map_err(|e| cannot_write(path, e))?,
            None => None,
        };
        let unfinished = unfinished.unwrap_or_else(|| Unfinished::new(temporary.path()));
        Ok(Self { temporary, _unfinished: unfinished, target, note })
    }

    /// The file to write to.
    pub fn file(&mut self) -> &mut File {
        self.temporary.as_file_mut()
    }

    /// The folder of the file, for more temporary files on the same device.
    pub fn folder(&self) -> &Path {
        self.target.folder()
    }

    /// Puts the file on the disk and gives it its name.
    pub fn publish(self) -> Result<(), Failure> {
        let Self { temporary, _unfinished, target, note } = self;
        let fail = |e: io::Error| cannot_write(&target.named, e);
        temporary.as_file().sync_all().map_err(fail)?;
        // Something else may have come there meanwhile.
        if let Ok(existing) = fs::metadata(&target.path)
            && !existing.is_file()
        {
            return Err(cannot_write(&target.named, format!("it has become {}", kind(&existing))));
        }
        temporary.persist(&target.path).map_err(|e| fail(e.error))?;
        // The name is on the disk when the folder is; not every system can do that.
        if let Ok(folder) = File::open(target.folder()) {
            let _ = folder.sync_all();
        }
        let note = note.map(|note| format!("{}: {note}", shown(&target.named)));
        WRITTEN.lock().unwrap_or_else(PoisonError::into_inner).push(Written { path: target.named.clone(), note });
        Ok(())
    }
}

/// Makes a temporary file and locks it.
fn start(path: &Path) -> io::Result<File> {
    // With the mode of any new file, for it will be one.
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
    match file.try_lock() {
        // Another process has taken it for a stale one, before it had its lock: it goes away, and another name is tried.
        Err(TryLockError::WouldBlock) => Err(ErrorKind::AlreadyExists.into()),
        _ if is_gone(&file) => Err(ErrorKind::AlreadyExists.into()),
        Ok(()) => Ok(file),
        // Where no file can be locked, none is removed either.
        Err(TryLockError::Error(_)) => Ok(file),
    }
}

/// Removes the temporary files of processes that were killed.
fn remove_stale(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let [prefix, suffix] = TEMPORARY;
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_ours = name.to_str().is_some_and(|name| name.starts_with(prefix) && name.ends_with(suffix));
        // Nothing but a file, and no link to one, is opened.
        if !is_ours || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        let path = entry.path();
        // Whoever writes one holds its lock until it has its name. It may have the mode of a file that was protected since.
        if let Ok(file) = OpenOptions::new().write(true).open(&path).or_else(|_| File::open(&path))
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_file(&path);
        }
    }
}

/// Whether a file has lost its name.
fn is_gone(file: &File) -> bool {
    #[cfg(unix)]
    return file.metadata().is_ok_and(|metadata| std::os::unix::fs::MetadataExt::nlink(&metadata) == 0);
    #[cfg(not(unix))]
    let _ = file;
    #[cfg(not(unix))]
    false
}

/// Gives a file the mode and the owner of the one that it will replace; says what could not be kept.
#[cfg(unix)]
fn keep(file: &File, existing: &Metadata) -> io::Result<Option<String>> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
    let owners = |metadata: &Metadata| (metadata.uid(), metadata.gid());
    let (user, group) = owners(existing);
    if owners(&file.metadata()?) != (user, group) && fchown(file, Some(user), Some(group)).is_err() {
        // Who may not give a file away may still share its group.
        let _ = fchown(file, None, Some(group));
    }
    let now = owners(&file.metadata()?);
    let mut mode = existing.permissions().mode();
    if now.1 != group {
        // What the one group was allowed is not for another.
        mode &= !0o070 | ((mode & 0o007) << 3);
    }
    if now != (user, group) {
        // A program would run as somebody else.
        mode &= 0o1777;
    }
    // Not every disk has modes and owners.
    let has_mode = file.set_permissions(fs::Permissions::from_mode(mode)).is_ok();
    Ok(if now != (user, group) {
        let now = format!("user {} and group {}", now.0, now.1);
        Some(format!("belonged to user {user} and group {group}, belongs to {now} now: only root can give files away"))
    } else if !has_mode {
        Some("its mode could not be kept".to_owned())
    } else {
        None
    })
}

#[cfg(not(unix))]
fn keep(file: &File, existing: &Metadata) -> io::Result<Option<String>> {
    file.set_permissions(existing.permissions())?;
    Ok(None)
}

/// That a file may be written to: whoever has protected it does not want it replaced.
#[cfg(unix)]
fn may_write(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::access(path, rustix::fs::Access::WRITE_OK)?)
}

#[cfg(not(unix))]
fn may_write(path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.permissions().readonly() { Err(ErrorKind::PermissionDenied.into()) } else { Ok(()) }
}

/// What something is that is not a file.
fn kind(metadata: &Metadata) -> &'static str {
    if metadata.is_dir() {
        return "a folder";
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let kind = metadata.file_type();
        if kind.is_fifo() {
            return "a pipe";
        }
        if kind.is_socket() {
            return "a socket";
        }
        if kind.is_char_device() || kind.is_block_device() {
            return "a device";
        }
    }
    "something else"
}

/// Whether two names lead to one file: by hard links, links, /proc/self/fd or two places where one disk is mounted.
#[cfg(unix)]
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// Whether two paths lead to one file. Neither is opened.
#[cfg(unix)]
pub fn is_same_file(a: &Path, b: &Path) -> bool {
    // What cannot be asked about is not there, and then not the same.
    matches!((fs::metadata(a), fs::metadata(b)), (Ok(a), Ok(b)) if is_same(&a, &b))
}

#[cfg(not(unix))]
pub fn is_same_file(a: &Path, b: &Path) -> bool {
    same_file::is_same_file(a, b).unwrap_or(false)
}

#[cfg(unix)]
fn is_standard_output(existing: &Metadata) -> bool {
    use std::os::fd::AsFd;
    let stdout = io::stdout().as_fd().try_clone_to_owned().map(File::from).and_then(|file| file.metadata());
    stdout.is_ok_and(|stdout| is_same(&stdout, existing))
}

#[cfg(not(unix))]
fn is_standard_output(_: &Metadata) -> bool {
    false
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// Of the files with such names, those that nobody holds go away.
    #[test]
    fn stale_files_alone_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in [".preflane-old.tmp", ".preflane-live.tmp", ".preflane-other", "preflane-a.tmp", "mine"] {
            fs::write(path(name), name).unwrap();
        }
        std::os::unix::fs::symlink(path("mine"), path(".preflane-link.tmp")).unwrap();
        fs::create_dir(path(".preflane-folder.tmp")).unwrap();
        let live = File::open(path(".preflane-live.tmp")).unwrap();
        live.lock().unwrap();
        let mut file = WholeFile::create(&path("out.csv")).unwrap();
        let own = file.temporary.path().to_owned();
        // Nor is that of another run, which has just begun.
        remove_stale(folder.path());
        assert!(own.exists());
        io::Write::write_all(file.file(), b"text").unwrap();
        file.publish().unwrap();
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let kept =
            [".preflane-folder.tmp", ".preflane-link.tmp", ".preflane-live.tmp", ".preflane-other", "mine", "out.csv"];
        assert_eq!(names, [&kept[..], &["preflane-a.tmp"]].concat());
        assert_eq!(fs::read(path("out.csv")).unwrap(), b"text");
    }

    /// A file that another run has taken for stale before it was locked is not written to.
    #[test]
    fn a_file_that_was_taken_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let file = start(&folder.path().join("a")).unwrap();
        assert!(!is_gone(&file));
        fs::remove_file(folder.path().join("a")).unwrap();
        assert!(is_gone(&file));
    }

    #[test]
    fn links_are_followed_to_what_is_not_there_yet() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("data")).unwrap();
        std::os::unix::fs::symlink("data/new.csv", path("link.csv")).unwrap();
        std::os::unix::fs::symlink("link.csv", path("link2.csv")).unwrap();
        std::os::unix::fs::symlink("loop.csv", path("loop.csv")).unwrap();
        WholeFile::create(&path("link2.csv")).unwrap().publish().unwrap();
        assert!(path("data/new.csv").is_file() && path("link2.csv").is_symlink() && path("link.csv").is_symlink());
        assert!(WholeFile::create(&path("loop.csv")).is_err());
    }
}
